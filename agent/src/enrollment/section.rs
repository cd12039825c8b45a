//! A `[[github]]` section as text: what differs from the defaults, in the order of the documentation. Pure.

use hearth_forge::GithubFile;
use toml::{Table, Value};

/// The section, ready to stand at the end of a configuration file.
pub(super) fn text(file: &GithubFile) -> Result<String, toml::ser::Error> {
    let defaults = Table::try_from(GithubFile::default())?;
    let mut section = Table::try_from(file)?;
    section.retain(|key, value| defaults.get(key) != Some(value));
    let all = Table::from_iter([("github".to_owned(), Value::Array(vec![Value::Table(section)]))]);
    toml::to_string(&all)
}

#[cfg(test)]
mod tests {
    use hearth_daemon::secrets::SecretFile;
    use hearth_forge::settings::{AppFile, DemandKind};

    use super::*;

    #[test]
    fn a_section_says_what_is_not_the_default_and_is_read_as_it_was_meant() {
        let app = AppFile {
            client_id: "Iv23".to_owned(),
            private_key_file: SecretFile::new("/etc/hearth/app.pem"),
            installation_id: None,
        };
        let file = GithubFile {
            url: "https://github.com/acme".to_owned(),
            app: Some(app),
            labels: vec!["gpu \"x\"".to_owned()],
            demand: DemandKind::Polling,
            repositories: vec!["acme/app".to_owned()],
            ..GithubFile::default()
        };
        let text = text(&file).unwrap();
        assert_eq!(
            text,
            "[[github]]\nurl = \"https://github.com/acme\"\nlabels = ['gpu \"x\"']\ndemand = \"polling\"\n\
             repositories = [\"acme/app\"]\n\n[github.app]\nclient_id = \"Iv23\"\n\
             private_key_file = \"/etc/hearth/app.pem\"\n"
        );
        let read: crate::settings::HearthFile = toml::from_str(&text).unwrap();
        assert_eq!(read.github, [file]);
    }
}
