//! Turns `units.txt` into a sorted table. It must never accept a name twice.

use std::collections::BTreeMap;
use std::path::Path;
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-changed=units.txt");
    let text = fs::read_to_string("units.txt").expect("units.txt stands beside this script");
    let mut table = BTreeMap::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [name, dimension, factor] = fields[..] else {
            panic!("units.txt:{}: a name, a dimension and a factor are wanted", index + 1);
        };
        let factor: f64 = factor.parse().expect("a factor is a number");
        let dimension = match dimension {
            "time" => "Dimension::Time",
            "data" => "Dimension::Data",
            "money" => "Dimension::Money",
            other => panic!("units.txt:{}: there is no dimension {other}", index + 1),
        };
        let before = table.insert(name.to_owned(), (dimension, factor));
        assert!(before.is_none(), "units.txt:{}: {name} stands there twice", index + 1);
    }
    let mut code = format!("/// All units, sorted by name.\npub static UNITS: [Unit; {}] = [\n", table.len());
    for (name, (dimension, factor)) in table {
        code.push_str(&format!(
            "    Unit {{ name: {name:?}, dimension: {dimension}, factor: {factor:?} }},\n"
        ));
    }
    code.push_str("];\n");
    let out = env::var_os("OUT_DIR").expect("cargo sets OUT_DIR");
    fs::write(Path::new(&out).join("table.rs"), code).expect("OUT_DIR can be written");
}
