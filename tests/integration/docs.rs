//! The documents keep up with the code.

use std::fs;

#[test]
fn every_route_of_the_api_is_in_its_reference() {
    let code = fs::read_to_string("src/hub/api/mod.rs").unwrap();
    let reference = fs::read_to_string("docs/api.md").unwrap();
    let after = |mark: &str| -> Vec<String> {
        let quoted = code.split(mark).skip(1).filter_map(|rest| rest.split_once('"'));
        quoted.map(|(path, _)| path.to_owned()).collect()
    };
    let routes = [after(".route(\""), after("    (\"")].concat();
    assert!(routes.len() > 30, "routes are written otherwise now: {routes:?}");
    let missing: Vec<_> = routes.iter().filter(|path| !reference.contains(&format!(" {path}`"))).collect();
    assert!(missing.is_empty(), "docs/api.md does not tell of {missing:?}");
}

#[test]
fn every_link_between_documents_leads_somewhere() {
    let mut dead = Vec::new();
    for document in
        ["README.md", "CONTRIBUTING.md", "SECURITY.md", "docs/api.md", "docs/architecture.md", "tests/README.md"]
    {
        let text = fs::read_to_string(document).unwrap();
        let folder = document.rsplit_once('/').map_or("", |(folder, _)| folder);
        for link in text.split("](").skip(1).filter_map(|rest| rest.split_once(')').map(|(link, _)| link)) {
            let path = link.split('#').next().unwrap_or_default();
            if !path.is_empty() && !path.contains("://") && fs::metadata(format!("./{folder}/{path}")).is_err() {
                dead.push(format!("{document}: {link}"));
            }
        }
    }
    assert!(dead.is_empty(), "{dead:#?}");
}
