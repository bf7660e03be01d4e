//! Which addresses may be reached from here. Whoever says where to send may only name the open internet, and what the
//! operator of the server allows besides. The operator may name a host of the own network, such as that of a language model;
//! never the metadata of a cloud.
//!
//! A name is checked where the connection resolves it, so the address that was checked is the one that is dialled: a name that is
//! public now and private a moment later gains nothing. What is sent is *not* here.

use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// A host that does not take the connection within this time will not.
const CONNECT: Duration = Duration::from_secs(10);

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(a: u16, b: u16, prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0), prefix)
}

/// Not of the open internet.
const NO_PUBLIC_V4: [Ipv4Net; 15] = [
    // This network
    v4(0, 0, 0, 0, 8),
    // Private
    v4(10, 0, 0, 0, 8),
    v4(172, 16, 0, 0, 12),
    v4(192, 168, 0, 0, 16),
    // Behind the address translation of a provider
    v4(100, 64, 0, 0, 10),
    // This machine
    v4(127, 0, 0, 0, 8),
    // This link, and the metadata of a cloud
    v4(169, 254, 0, 0, 16),
    // Kept for protocols
    v4(192, 0, 0, 0, 24),
    // Documentation
    v4(192, 0, 2, 0, 24),
    v4(198, 51, 100, 0, 24),
    v4(203, 0, 113, 0, 24),
    // 6to4 relays
    v4(192, 88, 99, 0, 24),
    // Benchmarks
    v4(198, 18, 0, 0, 15),
    // Multicast
    v4(224, 0, 0, 0, 4),
    // Reserved, and broadcast
    v4(240, 0, 0, 0, 4),
];

/// All that is given out so far; link-local, unique local, multicast, NAT64, discard and SRv6 are elsewhere.
const PUBLIC_V6: Ipv6Net = v6(0x2000, 0, 3);
const NO_PUBLIC_V6: [Ipv6Net; 4] = [
    // Kept for protocols; Teredo, which holds an IPv4 address
    v6(0x2001, 0, 23),
    // Documentation
    v6(0x2001, 0xdb8, 32),
    v6(0x3fff, 0, 20),
    // 6to4, which holds an IPv4 address
    v6(0x2002, 0, 16),
];

/// This machine, and networks behind one's own door. Link-local addresses are none: the metadata of clouds is there.
const NEAR_V4: [Ipv4Net; 5] = [
    v4(127, 0, 0, 0, 8),
    v4(10, 0, 0, 0, 8),
    v4(172, 16, 0, 0, 12),
    v4(192, 168, 0, 0, 16),
    v4(100, 64, 0, 0, 10),
];
const NEAR_V6: Ipv6Net = v6(0xfc00, 0, 7);

/// Metadata of clouds on addresses that are otherwise those of an own network: Alibaba, Amazon.
const METADATA_V4: Ipv4Addr = Ipv4Addr::new(100, 100, 100, 200);
const METADATA_V6: Ipv6Net = v6(0xfd00, 0xec2, 32);

fn is_near(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address != METADATA_V4 && NEAR_V4.iter().any(|net| net.contains(&address)),
        IpAddr::V6(address) => address.is_loopback() || (NEAR_V6.contains(&address) && !METADATA_V6.contains(&address)),
    }
}

fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => !NO_PUBLIC_V4.iter().any(|net| net.contains(&address)),
        IpAddr::V6(address) => PUBLIC_V6.contains(&address) && !NO_PUBLIC_V6.iter().any(|net| net.contains(&address)),
    }
}

/// Why nothing is sent to an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Blocked {
    #[error("only https:// addresses can be sent to")]
    Scheme,
    #[error("the address holds a name or password; leave them out")]
    Credentials,
    #[error("the address has no host")]
    Host,
    #[error("the host is private; the operator of the server can allow its network with DEALSTAGE_ALLOW_PRIVATE")]
    Private,
    #[error(
        "without encryption only hosts of networks are reached that the operator of the server allows with \
         DEALSTAGE_ALLOW_PRIVATE; use https://, or TLS"
    )]
    Plain,
    #[error("reserved and link-local addresses, and with them the metadata of a cloud, are never reached")]
    Never,
    #[error("without encryption only hosts of the own network are reached; use https://")]
    Far,
}

impl Blocked {
    /// Why a request was refused, if it was the guard that did it.
    pub fn of(error: &reqwest::Error) -> Option<Self> {
        let mut cause = error.source();
        while let Some(this) = cause {
            if let Some(blocked) = this.downcast_ref::<Self>() {
                return Some(*blocked);
            }
            cause = this.source();
        }
        None
    }
}

/// The name of the host leads nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the name of the host is not known")]
pub struct NoName;

/// Why there is no address for a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoAddress {
    #[error(transparent)]
    Blocked(#[from] Blocked),
    #[error(transparent)]
    Name(#[from] NoName),
}

/// What a connection may be made to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// The open internet and what is allowed besides.
    Open,
    /// Only what is allowed besides: nothing else may be trusted with what anybody on the way can read.
    Allowed,
    /// Of a host that the operator names: the open internet and the own network.
    Named,
    /// The same, where anybody on the way can read along.
    NamedPlain,
}

#[derive(Debug, Clone)]
struct Rule {
    allowed: Arc<[IpNet]>,
    reach: Reach,
}

impl Rule {
    fn check(&self, address: IpAddr) -> Result<(), Blocked> {
        let address = address.to_canonical();
        if self.allowed.iter().any(|net| net.contains(&address)) {
            return Ok(());
        }
        match self.reach {
            Reach::Open if is_public(address) => Ok(()),
            Reach::Open => Err(Blocked::Private),
            Reach::Allowed => Err(Blocked::Plain),
            Reach::Named | Reach::NamedPlain if is_near(address) => Ok(()),
            Reach::Named if is_public(address) => Ok(()),
            Reach::NamedPlain if is_public(address) => Err(Blocked::Far),
            Reach::Named | Reach::NamedPlain => Err(Blocked::Never),
        }
    }
}

/// A client that dials only what the rule allows, follows no redirect and knows no proxy.
fn client(rule: Rule, resolver: Arc<dyn Resolve>) -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder()
        .user_agent(concat!("dealstage/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        // A proxy would resolve the name by itself.
        .no_proxy()
        .dns_resolver(Arc::new(Checked { rule, resolver }))
        .connect_timeout(CONNECT)
        .pool_max_idle_per_host(8)
        .pool_idle_timeout(Duration::from_secs(30))
        .build()
}

/// Why there is no client for a host that the operator named.
#[derive(Debug, thiserror::Error)]
pub enum NoClient {
    #[error(transparent)]
    Blocked(#[from] Blocked),
    #[error("no address can be reached")]
    Client(#[from] reqwest::Error),
}

/// The client for a URL that the operator of the machine names in a setting, and for nothing else. The host may be in the own
/// network: who sets the setting runs the machine. Metadata and link-local addresses are refused all the same, and `http://`
/// to the open internet, where anybody on the way could read along.
pub fn named(url: &Url) -> Result<reqwest::Client, NoClient> {
    named_with(url, Arc::new(System))
}

fn named_with(url: &Url, resolver: Arc<dyn Resolve>) -> Result<reqwest::Client, NoClient> {
    let reach = match url.scheme() {
        "https" => Reach::Named,
        "http" => Reach::NamedPlain,
        _ => return Err(Blocked::Scheme.into()),
    };
    let rule = Rule {
        allowed: Arc::new([]),
        reach,
    };
    check_host(url.host().as_ref(), &rule)?;
    Ok(client(rule, resolver)?)
}

/// Nobody resolves what is an address already. Other ways to write one (2130706433, 0x7f.1) are one here.
fn check_host<S>(host: Option<&url::Host<S>>, rule: &Rule) -> Result<(), Blocked> {
    match host {
        None => Err(Blocked::Host),
        Some(url::Host::Domain(_)) => Ok(()),
        Some(url::Host::Ipv4(address)) => rule.check((*address).into()),
        Some(url::Host::Ipv6(address)) => rule.check((*address).into()),
    }
}

/// The one way to the outside, for everything that somebody else names the address of.
#[derive(Clone)]
pub struct Guard {
    https: (Rule, reqwest::Client),
    http: (Rule, reqwest::Client),
    resolver: Arc<dyn Resolve>,
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Guard(…)")
    }
}

impl Guard {
    /// `allowed`: networks that may be reached although they are private, and without encryption.
    pub fn new(allowed: Vec<IpNet>) -> Result<Self, reqwest::Error> {
        Self::with_resolver(allowed, Arc::new(System))
    }

    fn with_resolver(allowed: Vec<IpNet>, resolver: Arc<dyn Resolve>) -> Result<Self, reqwest::Error> {
        let allowed: Arc<[IpNet]> = allowed.into();
        let way = |reach| {
            let rule = Rule {
                allowed: allowed.clone(),
                reach,
            };
            let client = client(rule.clone(), resolver.clone())?;
            Ok((rule, client))
        };
        Ok(Self {
            https: way(Reach::Open)?,
            http: way(Reach::Allowed)?,
            resolver,
        })
    }

    /// The client for an address. It follows no redirect and knows no proxy.
    pub fn client(&self, url: &Url) -> Result<&reqwest::Client, Blocked> {
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Blocked::Credentials);
        }
        let (rule, client) = match url.scheme() {
            "https" => &self.https,
            "http" => &self.http,
            _ => return Err(Blocked::Scheme),
        };
        if rule.reach == Reach::Allowed && rule.allowed.is_empty() {
            return Err(Blocked::Plain);
        }
        check_host(url.host().as_ref(), rule)?;
        Ok(client)
    }

    /// What can be known of an address before it is used: where a name leads is found out then.
    pub fn check(&self, url: &Url) -> Result<(), Blocked> {
        self.client(url).map(drop)
    }

    /// What can be known of the host of a connection that is no web request.
    pub fn check_host(&self, host: &str, encrypted: bool) -> Result<(), Blocked> {
        self.host(host, encrypted).map(drop)
    }

    fn host(&self, host: &str, encrypted: bool) -> Result<(&Rule, url::Host), Blocked> {
        let (rule, _) = if encrypted { &self.https } else { &self.http };
        if !encrypted && rule.allowed.is_empty() {
            return Err(Blocked::Plain);
        }
        let host = url::Host::parse(host).map_err(|_| Blocked::Host)?;
        check_host(Some(&host), rule)?;
        Ok((rule, host))
    }

    /// Where a connection that is no web request may go: every address of the host, checked. Dial these, not the name.
    /// `encrypted`: nobody on the way can read along.
    pub async fn addresses(&self, host: &str, port: u16, encrypted: bool) -> Result<Vec<SocketAddr>, NoAddress> {
        let (rule, host) = self.host(host, encrypted)?;
        let name = match host {
            url::Host::Ipv4(address) => return Ok(vec![(address, port).into()]),
            url::Host::Ipv6(address) => return Ok(vec![(address, port).into()]),
            url::Host::Domain(name) => name.parse().map_err(|_| NoName)?,
        };
        let checked = Checked {
            rule: rule.clone(),
            resolver: self.resolver.clone(),
        };
        match checked.resolve(name).await {
            Ok(found) => Ok(found.map(|address| (address.ip(), port).into()).collect()),
            Err(error) => Err(error
                .downcast_ref::<Blocked>()
                .map_or(NoAddress::Name(NoName), |blocked| (*blocked).into())),
        }
    }
}

/// Networks as the setting names them: `10.0.0.0/8`, or one address.
pub fn network(said: &str) -> Result<IpNet, String> {
    let said = said.trim();
    let alone = || said.parse::<IpAddr>().map(IpNet::from);
    (said.parse::<IpNet>().or_else(|_| alone()))
        .map_err(|_| format!("`{said}` is no network; write it like 10.0.0.0/8"))
}

struct Checked {
    rule: Rule,
    resolver: Arc<dyn Resolve>,
}

impl Resolve for Checked {
    fn resolve(&self, name: Name) -> Resolving {
        let rule = self.rule.clone();
        let resolved = self.resolver.resolve(name);
        Box::pin(async move {
            let found: Vec<SocketAddr> = resolved.await?.collect();
            if found.is_empty() {
                return Err(NoName.into());
            }
            // One address that may not be reached spoils the name: which of them is dialled is not ours to choose.
            for address in &found {
                rule.check(address.ip())?;
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// The resolver of the operating system.
struct System;

impl Resolve for System {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            // Port 0 stands for that of the URL.
            let found = tokio::net::lookup_host((name.as_str(), 0)).await.map_err(|_| NoName)?;
            Ok(Box::new(found.collect::<Vec<_>>().into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// Answers what it is told, one after the other; the last again and again.
    struct Told(Mutex<Vec<Vec<IpAddr>>>);

    impl Told {
        fn new(answers: &[&[&str]]) -> Arc<Self> {
            let address = |said: &&str| said.parse().expect("an address");
            let answers = answers.iter().rev();
            Arc::new(Self(Mutex::new(
                answers.map(|answer| answer.iter().map(address).collect()).collect(),
            )))
        }
    }

    impl Resolve for Told {
        fn resolve(&self, _: Name) -> Resolving {
            let mut left = self.0.lock().expect("no panic");
            let answer = if left.len() > 1 {
                left.pop()
            } else {
                left.last().cloned()
            };
            let answer = answer.unwrap_or_default();
            Box::pin(async move {
                let found = answer.into_iter().map(|address| SocketAddr::new(address, 0));
                Ok(Box::new(found) as Addrs)
            })
        }
    }

    fn guard(allowed: &[&str]) -> Guard {
        let allowed = allowed.iter().map(|said| network(said).expect("a network"));
        Guard::new(allowed.collect()).expect("a client")
    }

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    const HOSTS: [&str; 51] = [
        "127.0.0.1",
        "127.254.254.254",
        "10.254.0.0",
        "172.16.10.65",
        "172.31.255.255",
        "192.168.10.65",
        "169.254.169.254",
        "0.0.0.0",
        "0.1.2.3",
        "100.64.0.0",
        "100.100.0.0",
        "100.127.255.255",
        "192.0.0.8",
        "192.0.2.1",
        "192.88.99.1",
        "198.18.0.0",
        "198.19.255.255",
        "198.51.100.7",
        "203.0.113.7",
        "224.1.2.3",
        "240.0.0.1",
        "255.255.255.255",
        "2130706433",
        "017700000001",
        "0177.0.0.1",
        "0x7f.1",
        "0x7f000001",
        "127.1",
        "127.0.0.1.",
        "%31%32%37.0.0.1",
        "１２７.0.0.1",
        "127。0。0。1",
        "[::]",
        "[::1]",
        "[::127.0.0.1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:0.0.0.1]",
        "[::ffff:169.254.169.254]",
        "[fe80::1]",
        "[fec0::1]",
        "[fc00::1]",
        "[fd12:3456::1]",
        "[ff02::1]",
        "[100::1]",
        "[64:ff9b::7f00:1]",
        "[64:ff9b:1::7f00:1]",
        "[2001::1]",
        "[2001:db8::1]",
        "[2002:7f00:1::]",
        "[3fff::1]",
        "[5f00::1]",
    ];

    #[test]
    fn private_hosts_are_refused_however_they_are_written() {
        let guard = guard(&[]);
        for host in HOSTS {
            assert_eq!(
                guard.check(&url(&format!("https://{host}/"))),
                Err(Blocked::Private),
                "{host}"
            );
            assert_eq!(
                guard.check(&url(&format!("http://{host}/"))),
                Err(Blocked::Plain),
                "{host}"
            );
        }
        for host in ["[fe80::1%eth0]", "[fe80::1%25eth0]", "0x7f.0.0.0.1", "256.0.0.1"] {
            assert!(Url::parse(&format!("https://{host}/")).is_err(), "{host}");
        }
    }

    #[test]
    fn public_hosts_are_reached_encrypted() {
        let guard = guard(&[]);
        let hosts = [
            "1.1.1.1",
            "99.255.255.255",
            "172.32.0.1",
            "192.0.1.1",
            "198.20.0.1",
            "223.255.255.255",
        ];
        for host in hosts
            .into_iter()
            .chain(["[2606:4700::1111]", "[2a00:1450::1]", "[::ffff:1.1.1.1]", "example.com"])
        {
            assert_eq!(
                guard.check(&url(&format!("https://{host}:8443/hook"))),
                Ok(()),
                "{host}"
            );
        }
        assert_eq!(guard.check(&url("http://1.1.1.1/")), Err(Blocked::Plain));
        // Where nothing is allowed besides, no name can lead there.
        assert_eq!(guard.check(&url("http://example.com/")), Err(Blocked::Plain));
    }

    #[test]
    fn only_the_web_without_names_and_passwords() {
        let guard = guard(&["0.0.0.0/0"]);
        for address in [
            "file:///etc/passwd",
            "gopher://example.com/",
            "ftp://example.com/",
            "data:,x",
        ] {
            assert_eq!(guard.check(&url(address)), Err(Blocked::Scheme), "{address}");
        }
        for address in [
            "https://user@example.com/",
            "https://:secret@example.com/",
            "http://a:b@127.0.0.1/",
        ] {
            assert_eq!(guard.check(&url(address)), Err(Blocked::Credentials), "{address}");
        }
    }

    #[test]
    fn the_operator_allows_networks() {
        let guard = guard(&["10.1.0.0/16", "192.168.7.9", "fd00::/8"]);
        for host in ["10.1.2.3", "192.168.7.9", "[fd00::5]", "[::ffff:10.1.2.3]"] {
            assert_eq!(guard.check(&url(&format!("https://{host}/"))), Ok(()), "{host}");
            assert_eq!(guard.check(&url(&format!("http://{host}/"))), Ok(()), "{host}");
        }
        for host in ["10.2.0.1", "192.168.7.8", "[fc00::5]", "127.0.0.1"] {
            assert_eq!(
                guard.check(&url(&format!("https://{host}/"))),
                Err(Blocked::Private),
                "{host}"
            );
        }
        assert!(network("10.0.0.0/33").is_err() && network("lan").is_err() && network("").is_err());
    }

    async fn resolved(rule: &Guard, resolver: Arc<dyn Resolve>) -> Result<Vec<SocketAddr>, Blocked> {
        let checked = Checked {
            rule: rule.https.0.clone(),
            resolver,
        };
        let name = "receiver.example".parse().expect("a name");
        match checked.resolve(name).await {
            Ok(found) => Ok(found.collect()),
            Err(error) => Err(*error.downcast_ref::<Blocked>().expect("it was the guard")),
        }
    }

    #[tokio::test]
    async fn a_name_that_turns_private_is_refused() {
        let guard = guard(&[]);
        let names = Told::new(&[&["1.1.1.1"], &["127.0.0.1"]]);
        assert!(resolved(&guard, names.clone()).await.is_ok());
        assert_eq!(resolved(&guard, names).await, Err(Blocked::Private));
    }

    #[tokio::test]
    async fn a_name_with_one_private_address_is_refused() {
        let guard = guard(&[]);
        for answer in [
            ["1.1.1.1", "10.0.0.1"],
            ["::1", "2606:4700::1111"],
            ["1.1.1.1", "::ffff:10.0.0.1"],
        ] {
            assert_eq!(
                resolved(&guard, Told::new(&[&answer])).await,
                Err(Blocked::Private),
                "{answer:?}"
            );
        }
    }

    /// Takes one connection and answers; what it was asked.
    async fn receiver() -> (u16, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let heard = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.expect("a connection");
            let mut heard = vec![0; 4096];
            let read = socket.read(&mut heard).await.expect("a request");
            let answer = b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
            socket.write_all(answer).await.expect("answered");
            heard.truncate(read);
            String::from_utf8(heard).expect("text")
        });
        (port, heard)
    }

    #[tokio::test]
    async fn the_address_that_was_checked_is_the_one_that_is_dialled() {
        let (port, heard) = receiver().await;
        // The name is checked once for the connection: a second answer would be private.
        let names = Told::new(&[&["127.0.0.1"], &["10.0.0.1"]]);
        let guard = Guard::with_resolver(vec!["127.0.0.0/8".parse().expect("a network")], names).expect("a client");
        let url = url(&format!("http://receiver.example:{port}/hook"));
        let answer = guard
            .client(&url)
            .expect("allowed")
            .post(url.clone())
            .send()
            .await
            .expect("an answer");
        // Not followed.
        assert_eq!(answer.status(), 302);
        let heard = heard.await.expect("heard").to_lowercase();
        assert!(heard.starts_with("post /hook http/1.1\r\n"), "{heard}");
        assert!(heard.contains(&format!("host: receiver.example:{port}\r\n")), "{heard}");
    }

    #[tokio::test]
    async fn a_blocked_name_is_not_dialled() {
        let (port, heard) = receiver().await;
        for (scheme, why) in [("https", Blocked::Private), ("http", Blocked::Plain)] {
            let allowed = vec![network("10.0.0.0/8").expect("a network")];
            let guard = Guard::with_resolver(allowed, Told::new(&[&["127.0.0.1"]])).expect("a client");
            let url = url(&format!("{scheme}://receiver.example:{port}/"));
            let error = guard.client(&url).expect("a name").get(url.clone()).send().await;
            assert_eq!(Blocked::of(&error.expect_err("refused")), Some(why), "{scheme}");
        }
        // Also as the system resolves it.
        let url = url(&format!("https://localhost:{port}/"));
        let error = guard(&[]).client(&url).expect("a name").get(url.clone()).send().await;
        assert_eq!(Blocked::of(&error.expect_err("refused")), Some(Blocked::Private));
        assert!(!heard.is_finished());
    }

    #[tokio::test]
    async fn plain_http_stays_in_allowed_networks() {
        let allowed = vec![network("10.0.0.0/8").expect("a network")];
        let guard = Guard::with_resolver(allowed, Told::new(&[&["1.1.1.1"]])).expect("a client");
        let url = url("http://receiver.example/");
        let error = guard.client(&url).expect("a name").get(url.clone()).send().await;
        assert_eq!(Blocked::of(&error.expect_err("refused")), Some(Blocked::Plain));
    }

    #[test]
    fn the_operator_may_name_a_host_of_the_own_network() {
        for host in [
            "127.0.0.1",
            "localhost",
            "[::1]",
            "10.1.2.3",
            "192.168.1.7",
            "172.20.0.2",
            "100.64.3.4",
            "[fd12::5]",
        ] {
            for scheme in ["http", "https"] {
                assert!(named(&url(&format!("{scheme}://{host}:8080/v1"))).is_ok(), "{host}");
            }
        }
        assert!(named(&url("https://1.1.1.1/v1")).is_ok());
        let refused = |address: &str| match named(&url(address)) {
            Err(NoClient::Blocked(blocked)) => blocked,
            other => panic!("{address}: {other:?}"),
        };
        for host in [
            "169.254.169.254",
            "169.254.0.7",
            "2852039166",
            "[::ffff:169.254.169.254]",
            "[fe80::1]",
            "[fd00:ec2::254]",
            "100.100.100.200",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "198.18.0.1",
            "[64:ff9b::a9fe:a9fe]",
        ] {
            for scheme in ["http", "https"] {
                assert_eq!(refused(&format!("{scheme}://{host}/v1")), Blocked::Never, "{host}");
            }
        }
        assert_eq!(refused("http://1.1.1.1/v1"), Blocked::Far);
        assert_eq!(refused("ftp://127.0.0.1/"), Blocked::Scheme);
    }

    #[tokio::test]
    async fn a_name_that_leads_to_metadata_is_not_dialled() {
        for (scheme, found, why) in [
            ("http", vec!["169.254.169.254"], Blocked::Never),
            ("https", vec!["10.0.0.1", "169.254.169.254"], Blocked::Never),
            ("http", vec!["1.1.1.1"], Blocked::Far),
        ] {
            let url = url(&format!("{scheme}://model.example/v1"));
            let client = named_with(&url, Told::new(&[&found])).expect("a name");
            let error = client.get(url).send().await;
            assert_eq!(Blocked::of(&error.expect_err("refused")), Some(why), "{found:?}");
        }
        let (port, heard) = receiver().await;
        let url = url(&format!("http://model.example:{port}/v1"));
        let client = named_with(&url, Told::new(&[&["127.0.0.1"]])).expect("a name");
        // Not followed.
        assert_eq!(client.post(url).send().await.expect("an answer").status(), 302);
        assert!(heard.await.expect("heard").contains("/v1"));
    }

    #[tokio::test]
    async fn other_connections_are_checked_too() {
        let strict = guard(&[]);
        let open = guard(&["127.0.0.0/8", "10.1.0.0/16"]);
        let here = |port| SocketAddr::from(([127, 0, 0, 1], port));
        assert_eq!(open.addresses("127.0.0.1", 25, false).await, Ok(vec![here(25)]));
        assert_eq!(open.addresses("0x7f.1", 465, true).await, Ok(vec![here(465)]));
        for (host, encrypted, why) in [
            ("127.0.0.1", true, Blocked::Private),
            ("2130706433", true, Blocked::Private),
            ("localhost", true, Blocked::Private),
            ("127.0.0.1", false, Blocked::Plain),
            ("1.1.1.1", false, Blocked::Plain),
            ("[::1]", true, Blocked::Private),
            ("a b", true, Blocked::Host),
            ("", true, Blocked::Host),
        ] {
            let refused = strict.addresses(host, 25, encrypted).await;
            assert_eq!(refused, Err(why.into()), "{host}");
        }
        let unknown = open.addresses("receiver.invalid", 25, true).await;
        assert_eq!(unknown, Err(NoName.into()));
        let names = Told::new(&[&["10.1.0.5", "10.2.0.5"], &["10.1.0.5"]]);
        let guard = Guard::with_resolver(vec![network("10.1.0.0/16").expect("a network")], names).expect("a client");
        let mixed = guard.addresses("mail.example", 587, true).await;
        assert_eq!(mixed, Err(Blocked::Private.into()));
        let found = guard.addresses("mail.example", 587, false).await.expect("allowed");
        assert_eq!(found, [SocketAddr::from(([10, 1, 0, 5], 587))]);
    }
}
