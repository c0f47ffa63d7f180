//! Messages for the host's log, which counts and limits them.

use std::fmt::Arguments;

/// How much a message matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Every step.
    Trace,
    /// For whoever looks for a mistake.
    Debug,
    /// Something changed.
    Info,
    /// It will mend itself.
    Warn,
    /// A person is needed.
    Error,
}

/// Writes a message; the macros ([`info!`](crate::info) and the others) are shorter.
pub fn write(level: Level, message: Arguments<'_>) {
    match message.as_str() {
        Some(text) => crate::door::log(level, text),
        None => crate::door::log(level, &message.to_string()),
    }
}

/// Writes a panic's message and place to the host's log; the module then traps, which the host treats as a fault.
#[cfg(target_family = "wasm")]
pub(crate) fn panics() {
    std::panic::set_hook(Box::new(|panic| write(Level::Error, format_args!("{panic}"))));
}

macro_rules! level {
    ($dollar:tt $name:ident $level:ident $doc:literal) => {
        #[doc = $doc]
        #[macro_export]
        macro_rules! $name {
                            ($dollar($dollar argument:tt)*) => {
                                $crate::log::write($crate::log::Level::$level, format_args!($dollar($dollar argument)*))
                            };
                        }
    };
}

level!($ trace Trace "Logs at level trace, with the arguments of `format!`.");
level!($ debug Debug "Logs at level debug, with the arguments of `format!`.");
level!($ info Info "Logs at level info, with the arguments of `format!`.");
level!($ warn Warn "Logs at level warn, with the arguments of `format!`.");
level!($ error Error "Logs at level error, with the arguments of `format!`.");
