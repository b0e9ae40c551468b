//! Where the server and its admin endpoint are.

use std::net::{SocketAddr, ToSocketAddrs};

use serde::Serialize;

use super::PlanError;

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

impl Target {
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
        let host = if authority.rsplit(']').next().is_some_and(|tail| tail.contains(':')) {
            authority.to_owned()
        } else {
            format!("{authority}:80")
        };
        if !host.chars().chain(path.unwrap_or_default().chars()).all(|c| c.is_ascii_graphic()) {
            return Err(wrong("only visible ASCII characters"));
        }
        let mut addresses = host.to_socket_addrs().map_err(|e| wrong(&format!("does not resolve: {e}")))?;
        let address = addresses.next().ok_or_else(|| wrong("does not resolve to an address"))?;
        let path = path.filter(|path| *path != "/").map(str::to_owned);
        Ok(Self { url: url.to_owned(), host, address, path })
    }
}

/// The given URL, or the port after the target's. A floor program has no admin endpoint.
pub(super) fn admin_url(
    given: Option<String>,
    target: &Target,
    raw: bool,
) -> Result<Option<String>, PlanError> {
    match given {
        Some(url) if url.starts_with("http://") => Ok(Some(url.trim_end_matches('/').to_owned())),
        Some(url) if !url.contains("://") => Ok(Some(format!("http://{}", url.trim_end_matches('/')))),
        Some(url) => Err(PlanError::new("admin", url, "http://HOST:PORT")),
        None if raw => Ok(None),
        None => {
            let mut address = target.address;
            let port = address.port().checked_add(1);
            Ok(port.map(|port| {
                address.set_port(port);
                format!("http://{address}")
            }))
        }
    }
}
