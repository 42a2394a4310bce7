//! Compiles the directory `site` in.

fn main() {
    mirage_crunch::crunch("site", "site");
}
