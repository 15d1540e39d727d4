//! Rust errors to Python exceptions, one `match` without a catch-all.

use std::any::Any;

use buildbot_nix_core::auth::login::LoginError;
use buildbot_nix_core::error::Error;
use buildbot_nix_core::forge::Fault;
use buildbot_nix_core::machine_line::ProtocolError as CoreProtocolError;
use pyo3::prelude::*;

mod python {
    use pyo3::import_exception;

    import_exception!(buildbot_nix.errors, ConfigError);
    import_exception!(buildbot_nix.errors, EvalError);
    import_exception!(buildbot_nix.errors, EventError);
    import_exception!(buildbot_nix.errors, ForgeAuthError);
    import_exception!(buildbot_nix.errors, ForgeNotFoundError);
    import_exception!(buildbot_nix.errors, ForgeRateLimitedError);
    import_exception!(buildbot_nix.errors, ForgeRefusedError);
    import_exception!(buildbot_nix.errors, ForgeUnavailableError);
    import_exception!(buildbot_nix.errors, InternalError);
    import_exception!(buildbot_nix.errors, LoginError);
    import_exception!(buildbot_nix.errors, LoginUnavailableError);
    import_exception!(buildbot_nix.errors, MachineError);
    import_exception!(buildbot_nix.errors, ProtocolError);
    import_exception!(buildbot_nix.errors, StoppedError);
}

/// Any error of the core on its way to Python.
#[derive(Debug)]
pub(crate) struct CoreError(Error);

impl<Failure: Into<Error>> From<Failure> for CoreError {
    fn from(failure: Failure) -> Self {
        Self(failure.into())
    }
}

impl From<CoreError> for PyErr {
    fn from(error: CoreError) -> Self {
        let text = error.0.to_string();
        let hint = error.0.hint().map(str::to_owned);
        match error.0 {
            Error::Config(problems) => python::ConfigError::new_err((problems,)),
            Error::Eval { message, .. } => python::EvalError::new_err((message, hint)),
            Error::Nix { message, .. } => python::MachineError::new_err((message, hint)),
            Error::Io { .. } | Error::Secret(_) | Error::DaemonLost(_) => {
                python::MachineError::new_err((text, hint))
            }
            Error::Protocol(CoreProtocolError {
                line_number,
                excerpt,
                ..
            }) => python::ProtocolError::new_err((text, line_number, excerpt)),
            Error::Forge(error) => match error.fault {
                Fault::Auth => python::ForgeAuthError::new_err((text, hint)),
                Fault::NotFound => python::ForgeNotFoundError::new_err((text, hint)),
                Fault::RateLimited(wait) => {
                    let wait = wait.as_secs_f64();
                    python::ForgeRateLimitedError::new_err((text, hint, wait))
                }
                Fault::Unavailable => python::ForgeUnavailableError::new_err((text, hint)),
                Fault::Refused => python::ForgeRefusedError::new_err((text, hint)),
            },
            Error::Event(refusal) => python::EventError::new_err((text, refusal.status())),
            Error::Login(LoginError::Unavailable { .. }) => {
                python::LoginUnavailableError::new_err((text,))
            }
            Error::Login(_) => python::LoginError::new_err((text,)),
            Error::Stopped => python::StoppedError::new_err((text,)),
        }
    }
}

/// The exception for a panic in the core: a defect of ours, with what the panic said.
pub(crate) fn internal(panic: &(dyn Any + Send)) -> PyErr {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    python::InternalError::new_err((format!(
        "a defect in buildbot-nix, please report it: {text}"
    ),))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use buildbot_nix_core::forge::ForgeError;
    use buildbot_nix_core::secret::SecretFile;
    use pyo3::types::PyAnyMethods as _;

    use super::*;
    use crate::boundary;

    /// Class name and text of the exception for `failure`.
    fn raised(failure: Error) -> (String, String) {
        attached(|python| {
            let error = boundary::call(python, || Err::<(), _>(failure)).unwrap_err();
            describe(python, &error)
        })
    }

    fn describe(python: Python<'_>, error: &PyErr) -> (String, String) {
        let class = error.get_type(python).name().unwrap().to_string();
        (class, error.value(python).to_string())
    }

    /// Runs `work` where `buildbot_nix.errors` can be imported.
    fn attached<Output>(work: impl FnOnce(Python<'_>) -> Output) -> Output {
        Python::initialize();
        Python::attach(|python| {
            let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
            let path = python.import("sys").unwrap().getattr("path").unwrap();
            path.call_method1("insert", (0, root.to_str().unwrap()))
                .unwrap();
            work(python)
        })
    }

    #[test]
    fn every_error_has_its_exception() {
        let hinted = || ("it failed".to_owned(), Some("do this".to_owned()));
        let (message, hint) = hinted();
        let eval = Error::Eval { message, hint };
        let (message, hint) = hinted();
        let nix = Error::Nix { message, hint };
        let io = Error::io("read", "/x", std::io::ErrorKind::NotFound.into());
        let secret = SecretFile::new("a.b", "/nowhere")
            .read(&buildbot_nix_core::secret::SecretPlaces {
                credentials_directory: None,
                settings_directory: "/".into(),
            })
            .unwrap_err();
        let protocol = buildbot_nix_core::machine_line::Decoder::default()
            .feed(b"x\n")
            .unwrap_err();
        let forge = |fault| {
            Error::Forge(ForgeError {
                fault,
                status: None,
                doing: "try".to_owned(),
                reason: "no".to_owned(),
                hint: None,
            })
        };
        let limited = Fault::RateLimited(std::time::Duration::from_secs(60));
        for (failure, class, text) in [
            (forge(Fault::Auth), "ForgeAuthError", "cannot try: no"),
            (forge(Fault::NotFound), "ForgeNotFoundError", "cannot try"),
            (forge(limited), "ForgeRateLimitedError", "cannot try"),
            (
                forge(Fault::Unavailable),
                "ForgeUnavailableError",
                "cannot try",
            ),
            (forge(Fault::Refused), "ForgeRefusedError", "cannot try"),
            (Error::Config("bad".to_owned()), "ConfigError", "bad"),
            (eval, "EvalError", "it failed"),
            (nix, "MachineError", "it failed"),
            (io, "MachineError", "cannot read `/x`"),
            (secret.into(), "MachineError", "`a.b`"),
            (protocol.into(), "ProtocolError", "line 1"),
            (LoginError::NotBegun.into(), "LoginError", "once more"),
            (
                LoginError::Unavailable {
                    provider: buildbot_nix_core::auth::Provider::Oidc,
                    what: "its keys",
                    why: "HTTP 500".to_owned(),
                }
                .into(),
                "LoginUnavailableError",
                "HTTP 500",
            ),
            (Error::Stopped, "StoppedError", "stopped"),
        ] {
            let (raised_class, raised_text) = raised(failure);
            assert_eq!(raised_class, class);
            assert!(raised_text.contains(text), "{raised_text}");
        }
    }

    #[test]
    fn a_panic_is_an_ordinary_exception() {
        attached(|python| {
            let error = boundary::call(python, || -> Result<(), Error> { panic!("at the disco") });
            let error = error.unwrap_err();
            let (class, text) = describe(python, &error);
            assert_eq!(class, "InternalError");
            assert!(text.contains("at the disco"), "{text}");
            assert!(error.is_instance_of::<pyo3::exceptions::PyException>(python));
        });
    }
}
