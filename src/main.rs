//! The `socrun` command.
fn main() -> std::process::ExitCode {
    socrun::cli::main()
}
