use super::{Endpoint, Host, SslMode, Taken, take_out};

fn taken(rest: &str, mode: Option<&str>, root: Option<&str>) -> Taken {
    Taken { rest: rest.to_owned(), mode: mode.map(str::to_owned), root: root.map(str::to_owned) }
}

fn parse(text: &str) -> Result<Endpoint, String> {
    Endpoint::parse(text, &|name| (name == "HOME").then(|| "/nowhere".into()))
}

#[test]
fn what_is_of_tls_is_taken_out_of_a_url_and_decoded() {
    for (text, rest, mode, root) in [
        ("postgres://ann@a/log", "postgres://ann@a/log", None, None),
        ("postgres://ann@a/log?sslmode=verify-ca", "postgres://ann@a/log", Some("verify-ca"), None),
        (
            "postgresql://a?sslmode=verify-full&user=ann&sslrootcert=%2Fetc%2Fmy%20ca%26b%3D%3F.pem&port=1",
            "postgresql://a?user=ann&port=1",
            Some("verify-full"),
            Some("/etc/my ca&b=?.pem"),
        ),
        // Of several the last; a key may be encoded as well; a + is no space; a value may hold a = and a ?.
        ("postgres://a/?sslmode=disable&ssl%6dode=require", "postgres://a/", Some("require"), None),
        ("postgres://a/?sslrootcert=/a+b=?c", "postgres://a/", None, Some("/a+b=?c")),
        ("postgres://a/?sslrootcert=", "postgres://a/", None, Some("")),
        // A name, a password, or another parameter's value may look like one.
        ("postgres://a/sslmode=x", "postgres://a/sslmode=x", None, None),
        ("postgres://ann:?sslmode=x@a/", "postgres://ann:?sslmode=x@a/", None, None),
        ("postgres://ann:p?w@a/?sslmode=x", "postgres://ann:p?w@a/", Some("x"), None),
        ("postgres://a/?options=sslmode=x", "postgres://a/?options=sslmode=x", None, None),
        ("postgres://a/?SSLMODE=x&xsslmode=y", "postgres://a/?SSLMODE=x&xsslmode=y", None, None),
        // What is no parameter stays for tokio-postgres to refuse.
        ("postgres://a/?sslmode", "postgres://a/?sslmode", None, None),
        ("postgres://a/?user=ann&sslmode", "postgres://a/?user=ann&sslmode", None, None),
        ("postgres://a/?sslrootcert=%ff", "postgres://a/?sslrootcert=%ff", None, None),
    ] {
        assert_eq!(take_out(text), taken(rest, mode, root), "{text}");
    }
}

#[test]
fn what_is_of_tls_is_taken_out_of_the_key_value_form_and_unquoted() {
    for (text, rest, mode, root) in [
        ("host=a user=ann", "host=a user=ann", None, None),
        ("host=a sslmode=verify-ca user=ann", "host=a  user=ann", Some("verify-ca"), None),
        ("sslmode = 'require'host=a", " host=a", Some("require"), None),
        ("host='a'sslmode=require", "host='a' ", Some("require"), None),
        (r"host=a sslrootcert='/etc/my ca\'s\\.pem'", "host=a ", None, Some(r"/etc/my ca's\.pem")),
        (r"sslrootcert=/etc/my\ ca.pem host=a", "  host=a", None, Some("/etc/my ca.pem")),
        ("sslmode=disable\tsslmode=require host=a", "   host=a", Some("require"), None),
        ("host=a sslrootcert=''", "host=a ", None, Some("")),
        // Another's value may look like one.
        ("host=a password='x sslmode=y'", "host=a password='x sslmode=y'", None, None),
        (r"host=a password='x\' sslmode=y' sslmode=z", r"host=a password='x\' sslmode=y' ", Some("z"), None),
        (r"password=x\ sslmode=y host=a", r"password=x\ sslmode=y host=a", None, None),
        // What is no pair stays, with all that comes behind it.
        ("host=a sslrootcert='/etc", "host=a sslrootcert='/etc", None, None),
        ("host=a sslmode sslmode=x", "host=a sslmode sslmode=x", None, None),
        ("host=a sslmode", "host=a sslmode", None, None),
    ] {
        let found = take_out(text);
        assert_eq!(
            (found.rest.trim(), found.mode.as_deref(), found.root.as_deref()),
            (rest.trim(), mode, root),
            "{text}"
        );
    }
}

#[test]
fn the_rest_is_as_it_would_be_without() {
    for text in ["postgres://ann:s%20t@a:1,b:2/log?connect_timeout=3", "host=a,b port=1,2 user=ann password='s t'"] {
        let with = format!("{text}{}sslmode=disable", if text.contains('?') { "&" } else { " " });
        assert_eq!(parse(&with).unwrap().config, parse(text).unwrap().config.ssl_mode(SslMode::Disable).clone());
    }
}

#[test]
fn without_a_mode_tls_is_preferred_and_over_sockets_it_is_not_asked_for() {
    let mode = |text| parse(text).unwrap().config.get_ssl_mode();
    assert_eq!(mode("host=a"), SslMode::Prefer);
    assert_eq!(mode("host=a sslmode=disable sslrootcert=/nowhere"), SslMode::Disable);
    for socket in ["host=/run sslmode=verify-full", "postgres://%2Frun/log?sslmode=require", "host=/run"] {
        let endpoint = parse(socket).unwrap();
        assert_eq!(endpoint.config.get_hosts(), [Host::Unix("/run".into())]);
        assert_eq!(endpoint.config.get_ssl_mode(), SslMode::Disable);
        assert!(endpoint.tls.is_none());
    }
}

#[test]
fn what_cannot_be_meant_is_a_sentence_without_values() {
    for (text, words) in [
        ("postgres://", "names no host"),
        ("sslmode=require", "names no host"),
        ("host=a sslmode=s3cret", "sslmode is not disable, prefer, require, verify-ca or verify-full"),
        ("host=a sslmode=allow", "sslmode is not disable"),
        ("host=a sslmode=''", "sslmode is not disable"),
        ("host=a sslcert=/s3cret", "unknown option `sslcert`"),
        ("host=a sslkey=/s3cret", "unknown option `sslkey`"),
        ("postgres://a/?sslpassword=s3cret", "unknown option `sslpassword`"),
        ("host=a sslnegotiation=direct", "needs sslmode=require"),
        ("host=a sslmode=require sslrootcert=system", "needs sslmode=verify-full"),
    ] {
        let sentence = parse(text).unwrap_err();
        assert!(sentence.starts_with("DATABASE_URL") && sentence.contains(words), "{text}: {sentence}");
        assert!(!sentence.contains("s3cret"), "{sentence}");
    }
}

#[cfg(not(feature = "tls"))]
#[test]
fn a_binary_without_tls_says_so_where_it_is_asked_for() {
    assert!(parse("host=a").unwrap().tls.is_none());
    for mode in ["require", "verify-ca", "verify-full"] {
        let sentence = parse(&format!("host=a sslmode={mode} sslrootcert=/etc/ca.pem")).unwrap_err();
        assert!(sentence.contains("was built without"), "{sentence}");
    }
}

#[cfg(feature = "tls")]
#[test]
fn authorities_that_cannot_be_had_are_a_sentence() {
    let directory = std::env::temp_dir().join(format!("deploylog-roots-{}", std::process::id()));
    std::fs::create_dir(&directory).unwrap();
    let file = |name: &str, content: &str| {
        std::fs::write(directory.join(name), content).unwrap();
        directory.join(name).display().to_string()
    };
    let none = file("none.pem", "no certificate\n");
    let broken = file("broken.pem", "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n");
    let empty = file("empty.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let asked = [
        ("host=a sslmode=require sslrootcert=/nowhere.pem".to_owned(), "cannot be read: /nowhere.pem: No such file"),
        ("host=a sslrootcert=/nowhere.pem".to_owned(), "cannot be read: /nowhere.pem: No such file"),
        ("host=a sslmode=verify-ca".to_owned(), "there is no ~/.postgresql/root.crt"),
        (format!("host=a sslmode=verify-ca sslrootcert={none}"), "holds no certificate"),
        (format!("host=a sslmode=verify-ca sslrootcert={broken}"), "cannot be read"),
        (format!("host=a sslmode=verify-ca sslrootcert={empty}"), "holds no certificate"),
    ];
    let said = asked.map(|(text, words)| (parse(&text).unwrap_err(), words));
    let environment = |name: &str| (name == "SSL_CERT_FILE").then(|| none.clone().into());
    let system = Endpoint::parse("host=a sslrootcert=system", &environment).unwrap_err();
    std::fs::remove_dir_all(&directory).unwrap();
    for (sentence, words) in said {
        assert!(sentence.starts_with("DATABASE_URL's ssl") && sentence.contains(words), "{sentence}");
    }
    assert!(system.contains(&none), "{system}");
}
