//! Rebuilds when a file of the standard library comes or goes; its texts are embedded in the binary.

fn main() {
    #[expect(clippy::print_stdout, reason = "this is how a build script speaks to cargo")]
    {
        println!("cargo::rerun-if-changed=stdlib");
    }
}
