//! Rebuilds when a file of the standard library comes or goes; its texts are embedded in the binary.

fn main() {
    println!("cargo::rerun-if-changed=stdlib");
}
