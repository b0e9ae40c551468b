//! Where the server and its admin endpoint are.

use std::net::{Ipv6Addr, SocketAddr, ToSocketAddrs};

use serde::Serialize;

use super::PlanError;
use crate::server_side::Admin;

/// Where the server is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Target {
    /// As given.
    pub(crate) url: String,
    /// For the Host header.
    #[serde(skip)]
    pub(crate) host: String,
    /// Resolved.
    pub(crate) address: SocketAddr,
    /// Given path, without the preset's own.
    #[serde(skip)]
    pub(crate) path: Option<String>,
}

/// Where everything comes back.
const ECHO_PATH: &str = "/v1/echo";

impl Target {
    /// The path of who comes into no room.
    pub(crate) fn path(&self) -> &str {
        self.path.as_deref().unwrap_or(ECHO_PATH)
    }

    /// The given path, unless it is the one that it would be anyway.
    pub(crate) fn other_path(&self) -> Option<&String> {
        self.path.as_ref().filter(|path| *path != ECHO_PATH)
    }

    /// Parses and resolves a URL.
    ///
    /// # Errors
    /// [`PlanError`] says what is allowed.
    pub(super) fn parse(url: &str, raw: bool) -> Result<Self, PlanError> {
        let wrong = |problem: &str| PlanError::new("target", url, problem);
        let rest = match url.split_once("://") {
            Some(("ws", rest)) => rest,
            Some(("tcp", rest)) if raw => rest,
            Some(("tcp", _)) => return Err(wrong("tcp:// needs --raw")),
            Some(("wss", _)) => {
                return Err(wrong("TLS is not supported; put a proxy in front, or use ws://"));
            }
            Some(_) => return Err(wrong("ws://HOST:PORT, or tcp://HOST:PORT with --raw")),
            None => url,
        };
        let (authority, path) = match rest.find('/') {
            Some(at) => (&rest[..at], Some(&rest[at..])),
            None => (rest, None),
        };
        if url.contains(',') {
            return Err(wrong(
                "several servers are several flags: --target ws://A:9001 --target ws://B:9001",
            ));
        }
        if authority.contains('@') {
            return Err(wrong("names a user, and nobody is asked for one; permitted is ws://HOST:PORT"));
        }
        check_host(authority).map_err(wrong)?;
        let host = if authority.rsplit(']').next().is_some_and(|tail| tail.contains(':')) {
            authority.to_owned()
        } else {
            format!("{authority}:80")
        };
        if !host.chars().chain(path.unwrap_or_default().chars()).all(|c| c.is_ascii_graphic()) {
            return Err(wrong("only visible ASCII characters"));
        }
        check_port(&host).map_err(wrong)?;
        let mut addresses = host.to_socket_addrs().map_err(|e| wrong(&format!("does not resolve: {e}")))?;
        let address = addresses.next().ok_or_else(|| wrong("does not resolve to an address"))?;
        let path = path.filter(|path| *path != "/").map(str::to_owned);
        Ok(Self { url: url.to_owned(), host, address, path })
    }
}

/// A name or an address must stand in front of the port, and one of IPv6 in brackets, whole.
fn check_host(authority: &str) -> Result<(), &'static str> {
    const FORM: &str = "permitted is an address of IPv6 in brackets, for example ws://[::1]:9001";
    let Some(inside) = authority.strip_prefix('[') else {
        return match authority.split(':').collect::<Vec<_>>()[..] {
            ["", ..] if !authority.starts_with("::") => {
                Err("names no host; permitted is ws://HOST:PORT, for example ws://127.0.0.1:9001")
            }
            [_] | [_, _] => Ok(()),
            _ => Err(FORM),
        };
    };
    let (address, rest) = inside
        .split_once(']')
        .ok_or("the bracket of an IPv6 address is not closed; for example ws://[::1]:9001")?;
    let is_whole = rest.is_empty() || rest.starts_with(':');
    // An address of one link names its interface behind a percent sign.
    let is_address = address.split('%').next().is_some_and(|plain| plain.parse::<Ipv6Addr>().is_ok());
    if is_whole && is_address { Ok(()) } else { Err(FORM) }
}

/// What follows the last colon outside brackets must be a port.
fn check_port(authority: &str) -> Result<(), &'static str> {
    let outside = authority.rsplit(']').next().unwrap_or_default();
    match outside.rsplit_once(':').map(|(_, port)| port.parse::<u16>()) {
        None | Some(Ok(1..)) => Ok(()),
        Some(_) => Err("permitted is a port from 1 to 65535, for example 127.0.0.1:9001"),
    }
}

/// The given URLs, or of each target the port after its own. A floor program has no admin endpoint.
pub(super) fn admin_urls(given: Vec<String>, targets: &[Target], raw: bool) -> Result<Vec<Admin>, PlanError> {
    let urls: Vec<String> = if given.is_empty() {
        targets.iter().filter(|_| !raw).filter_map(neighbour).collect()
    } else {
        if given.len() > targets.len() {
            let problem =
                format!("there are {} targets, and each has one admin endpoint at most", targets.len());
            return Err(PlanError::new("admin", given.join(" "), problem));
        }
        given.iter().map(|url| admin_url(url)).collect::<Result<_, _>>()?
    };
    // Each is asked once, for all of its targets.
    Ok((0..).zip(urls).fold(Vec::new(), |mut admins: Vec<Admin>, (target, url)| {
        match admins.iter_mut().find(|admin| admin.url == url) {
            Some(admin) => admin.targets.push(target),
            None => admins.push(Admin { url, targets: vec![target] }),
        }
        admins
    }))
}

fn admin_url(url: &str) -> Result<String, PlanError> {
    let rest = match url.split_once("://") {
        None if url.contains(':') => url,
        Some(("http", rest)) => rest,
        None | Some(_) => {
            let permitted = "permitted is http://HOST:PORT, for example http://127.0.0.1:9002";
            return Err(PlanError::new("admin", url, permitted));
        }
    };
    check_port(rest.split('/').next().unwrap_or_default())
        .map_err(|problem| PlanError::new("admin", url, problem))?;
    Ok(format!("http://{}", rest.trim_end_matches('/')))
}

/// The port after a target's.
fn neighbour(target: &Target) -> Option<String> {
    let mut address = target.address;
    address.set_port(address.port().checked_add(1)?);
    Some(format!("http://{address}"))
}
