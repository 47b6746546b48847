//! Arguments in, a command run, an exit code out; nothing else.

fn main() -> std::process::ExitCode {
    footfall::command::run()
}
