# What both services forgo. Each says itself what it cannot.
{
  CapabilityBoundingSet = "";
  LockPersonality = true;
  NoNewPrivileges = true;
  PrivateTmp = true;
  ProtectClock = true;
  ProtectHome = true;
  ProtectHostname = true;
  ProtectKernelModules = true;
  ProtectSystem = "strict";
  RemoveIPC = true;
  RestrictRealtime = true;
  RestrictSUIDSGID = true;
  SystemCallArchitectures = "native";
  UMask = "0027";
}
