# What both services forgo. Each says itself what it cannot.
{
  CapabilityBoundingSet = "";
  LockPersonality = true;
  NoNewPrivileges = true;
  PrivateTmp = true;
  ProtectClock = true;
  ProtectHome = true;
  ProtectKernelModules = true;
  ProtectSystem = "strict";
  RemoveIPC = true;
  RestrictRealtime = true;
  SystemCallArchitectures = "native";
  # What is refused is an error of the program that asks for it, and not its end.
  SystemCallErrorNumber = "EPERM";
  UMask = "0027";
}
