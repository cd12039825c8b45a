//! What stands in a `[[github]]` and what becomes of it.

use super::*;

fn check(section: &str) -> Result<GithubSettings, String> {
    let file: GithubFile = toml::from_str(section).map_err(|error| error.message().to_owned())?;
    file.check().map_err(|error| crate::call::chain(&error))
}

#[test]
fn a_url_and_credentials_are_enough() {
    let settings = check("url = 'https://github.com/acme'\ntoken_file = '/t'").unwrap();
    assert!(matches!(settings.demand, DemandSettings::ScaleSet { name: None }));
    assert!(matches!(settings.credentials, CredentialFiles::Token(_)));
    assert!(settings.labels.is_none() && settings.group.is_none() && settings.max.is_none());
    assert_eq!((settings.share, settings.priority), (1, 0));
}

#[test]
fn everything_that_may_be_said_is_taken() {
    let settings = check(
        "url = 'https://git.acme.example/tools'
         app = { client_id = ' Iv23 ', private_key_file = '/k', installation_id = 5 }
         labels = ['GPU']
         group = 'hearth'
         demand = 'polling'
         repositories = ['tools/a', 'Tools/b']
         poll_interval = '20s'
         ca_file = '/ca'
         proxy = 'http://proxy.example:3128'
         proxy_credentials_file = '/p'
         no_proxy = ['.acme.example']
         share = 3
         priority = -1
         max = 2",
    )
    .unwrap();
    assert!(
        matches!(settings.credentials, CredentialFiles::App { client_id, installation: Some(5), .. } if client_id == "Iv23")
    );
    let DemandSettings::Polling { repositories, interval } = settings.demand else { unreachable!("it polls") };
    assert_eq!((repositories.len(), interval), (2, Duration::from_secs(20)));
    assert_eq!(settings.labels.unwrap().to_string(), "gpu");
    assert_eq!(settings.network.proxy.unwrap().as_str(), "http://proxy.example:3128/");
}

#[test]
fn a_repository_s_own_queue_needs_no_list() {
    let settings = check("url = 'https://github.com/a/b'\ntoken_file = '/t'\ndemand = 'polling'").unwrap();
    let DemandSettings::Polling { repositories, .. } = settings.demand else { unreachable!("it polls") };
    assert_eq!(repositories, [RepositoryName::parse("a/b").unwrap()]);
}

#[test]
fn what_cannot_work_is_refused_with_the_reason() {
    let long = format!("scale_set = '{}'", "x".repeat(65));
    let of = |line: &str| format!("url = 'https://github.com/acme'\ntoken_file = '/t'\n{line}");
    let at = |message: &str| format!("[[github]] https://github.com/acme: {message}");
    for (section, message) in [
        (
            String::new(),
            "a [[github]] has no url; it says whom to serve, like https://github.com/ORGANIZATION".to_owned(),
        ),
        (
            "url = 'acme'".to_owned(),
            "github.url cannot be used: `acme` is no URL; write one like https://github.com/ORGANIZATION".to_owned(),
        ),
        ("url = 'https://github.com/acme'".to_owned(), at("give either app or token_file, not neither")),
        (of("app = { client_id = 'x', private_key_file = '/k' }"), at("give either app or token_file, not both")),
        (of("group = ' '"), at("group is empty")),
        (
            of(&long),
            at(&format!("scale_set `{}` has more than 64 characters or one that does not print", "x".repeat(65))),
        ),
        (of("share = 0"), at("share must be between 1 and 1000")),
        (of("max = 257"), at("max must be between 1 and 256")),
        (of("repositories = ['acme/a']"), at("repositories is of no use with demand = \"scale-set\"")),
        (of("demand = 'polling'\nscale_set = 'x'"), at("scale_set is of no use with demand = \"polling\"")),
        (of("demand = 'polling'"), at("polling needs `repositories`, the list of those whose queues to look at")),
        (
            of("demand = 'polling'\nrepositories = ['other/a']"),
            at("repository other/a does not belong to organization acme"),
        ),
        (
            of("demand = 'polling'\nrepositories = ['a']"),
            at("repositories cannot be used: `a` does not name a repository at GitHub"),
        ),
        (
            of("demand = 'polling'\nrepositories = ['acme/a']\npoll_interval = '1s'"),
            at("poll_interval must be between 10s and 60s"),
        ),
        (of("labels = ['a,b']"), {
            let cause = "label `a,b` is empty or has a comma, a quote or a character that does not print";
            at(&format!("labels cannot be used: {cause}"))
        }),
        (
            "url = 'https://github.com/a/b'\ntoken_file = '/t'\ngroup = 'g'".to_owned(),
            "[[github]] https://github.com/a/b: a repository has no runner groups; serve its organization instead, or \
             leave out group"
                .to_owned(),
        ),
    ] {
        assert_eq!(check(&section).unwrap_err(), message, "{section}");
    }
    for proxy in ["proxy = 'http://me:secret@proxy'", "proxy = 'ftp://proxy'", "proxy_credentials_file = '/p'"] {
        let message = check(&of(proxy)).unwrap_err();
        assert!(message.contains("proxy must be like") && !message.contains("secret"), "{message}");
    }
    assert!(check(&of("naem = 1")).unwrap_err().contains("unknown field `naem`"));
}
