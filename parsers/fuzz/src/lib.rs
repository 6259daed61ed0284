//! What makes a target a program: libFuzzer's under `cargo fuzz`, and otherwise one that needs a stable compiler only.
//!
//! In goes a target's function, out comes a program. Under `cargo fuzz` (which sets `cfg(fuzzing)`) libFuzzer calls the function.
//! Built plainly, the program reads seeds from files and gives the function changed ones for some seconds; it ends with the
//! input on standard error where the function panics. What was covered is not measured.

mod harness;

pub use harness::run;
#[cfg(fuzzing)]
pub use libfuzzer_sys;

/// The `main` of a target; `name: &[u8]` or `name: &str` is its input.
#[macro_export]
macro_rules! target {
    (|$data:ident: &[u8]| $body:expr) => {
        #[cfg(fuzzing)]
        $crate::libfuzzer_sys::fuzz_target!(|$data: &[u8]| $body);

        #[cfg(not(fuzzing))]
        fn main() -> std::process::ExitCode {
            $crate::run(|$data: &[u8]| $body)
        }
    };
    (|$data:ident: &str| $body:expr) => {
        #[cfg(fuzzing)]
        $crate::libfuzzer_sys::fuzz_target!(|$data: &str| $body);

        #[cfg(not(fuzzing))]
        fn main() -> std::process::ExitCode {
            $crate::run(|bytes: &[u8]| {
                let $data = &*String::from_utf8_lossy(bytes);
                $body
            })
        }
    };
}
