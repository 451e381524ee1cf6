//! Pictures that callers name by an address of the web. None is fetched unless its host was named: whoever names an
//! address makes this machine ask for it, from where it stands.
//!
//! Each step is checked: the address, where its name leads to, and the same again for every redirect. What comes is read
//! no longer and no slower than an upload, and taken for what its bytes say.

mod reach;

use std::net::SocketAddr;

use axum::http::{StatusCode, header};
use bytes::{Bytes, BytesMut};
use reqwest::{
    dns::{Name, Resolve, Resolving},
    redirect::Policy,
};
use tokio::{
    sync::Semaphore,
    time::{timeout, timeout_at},
};
use url::{Host, Url};

use super::{limits::Limits, problem::Problem};
use crate::{base::deadline, error::Result};
use reach::Reach;

/// Most redirects that are followed.
const REDIRECTS: usize = 5;

/// Most pictures that are fetched at the same time.
const AT_ONCE: usize = 8;

/// Fetches pictures.
#[derive(Debug)]
pub(super) struct Fetcher {
    reach: Reach,
    limits: Limits,
    turns: Semaphore,
}

/// Where a name leads to, as it was checked: by then it may lead elsewhere.
struct Checked(Vec<SocketAddr>);

impl Resolve for Checked {
    fn resolve(&self, _: Name) -> Resolving {
        let found: reqwest::dns::Addrs = Box::new(self.0.clone().into_iter());
        Box::pin(std::future::ready(Ok(found)))
    }
}

impl Fetcher {
    /// Fetches from these hosts.
    pub(super) fn new(hosts: &[String], limits: &Limits) -> Result<Self> {
        Ok(Self { reach: Reach::new(hosts)?, limits: limits.clone(), turns: Semaphore::new(AT_ONCE) })
    }

    /// What asks this address, and nothing else.
    async fn asking(&self, url: &Url) -> Result<reqwest::Client, String> {
        let mut found = Vec::new();
        if let Some(Host::Domain(name)) = url.host() {
            let port = url.port_or_known_default().ok_or("it has no port")?;
            let looked_up = timeout(self.limits.pause, tokio::net::lookup_host((name, port))).await;
            found.extend(looked_up.map_err(|_| "its name is not known in time")?.map_err(|error| error.to_string())?);
            // One that is not allowed among others is a trap: which of them is asked is not up to this.
            if let Some(address) = found.iter().find(|address| !self.reach.leads_to(address.ip(), port)) {
                return Err(format!("{name} leads to {address}, which is neither public nor named"));
            }
        }
        let [http, _] = crate::transport::http_builders().map_err(|error| error.to_string())?;
        // A proxy would ask what this must not, and follow what this would not.
        let http = http.redirect(Policy::none()).no_proxy().referer(false).dns_resolver(Checked(found));
        let http = http.connect_timeout(self.limits.pause).pool_max_idle_per_host(0).build();
        http.map_err(|error| error.to_string())
    }

    /// Whether any is fetched.
    pub(super) fn is_open(&self) -> bool {
        !self.reach.is_empty()
    }

    /// The address, if it may be fetched for this input.
    pub(super) fn address(&self, input: &str, text: &str) -> Result<Url, Problem> {
        let refused = |accepted: &str| Problem::input(input, Some("an address".into()), accepted);
        if !self.is_open() {
            return Err(refused(
                "a file, a data URL, or the name of an image on the server; addresses are not fetched",
            ));
        }
        let url = Url::parse(text).ok().filter(|url| self.reach.takes(url));
        url.ok_or_else(|| {
            refused("a file, a data URL, the name of an image on the server, or an address of a host that is allowed")
        })
    }

    /// What is at an address.
    pub(super) async fn fetch(&self, input: &str, url: Url) -> Result<Bytes, Problem> {
        let turn = timeout(self.limits.pause, self.turns.acquire()).await;
        let _turn = turn.ok().and_then(Result::ok).ok_or_else(|| {
            let detail = format!("{AT_ONCE} pictures are being fetched, and no more are now");
            Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_uploads", detail).after(self.limits.pause)
        })?;
        // All failures there are reported in the same words: what answers where is nobody's business.
        let not_there = || Problem::input(input, Some("an address".into()), "an address at which there is a picture");
        let end = deadline::after(self.limits.arrival);
        match timeout_at(end, self.follow(url)).await {
            Ok(Ok(bytes)) => Ok(bytes),
            Ok(Err(problem)) => {
                tracing::warn!(problem, "a picture that was named by its address cannot be had");
                Err(not_there())
            }
            Err(_) => {
                tracing::warn!("a picture that was named by its address did not arrive in time");
                Err(not_there())
            }
        }
    }

    async fn follow(&self, mut url: Url) -> Result<Bytes, String> {
        for _ in 0..=REDIRECTS {
            if !self.reach.takes(&url) {
                return Err("it leads to a host that is not allowed".into());
            }
            let http = self.asking(&url).await?;
            let response = timeout(self.limits.pause, http.get(url.clone()).send()).await;
            let response = response.map_err(|_| "no answer in time")?.map_err(|error| crate::error::reason(&error))?;
            let status = response.status();
            if status.is_redirection() {
                let place = response.headers().get(header::LOCATION).and_then(|place| place.to_str().ok());
                url = place.and_then(|place| url.join(place).ok()).ok_or("it leads nowhere")?;
                continue;
            }
            if status != StatusCode::OK {
                return Err(format!("status {status}"));
            }
            return self.read(response).await;
        }
        Err(format!("more than {REDIRECTS} redirects"))
    }

    async fn read(&self, mut response: reqwest::Response) -> Result<Bytes, String> {
        let most = self.limits.body;
        let too_long = || format!("longer than {most} bytes");
        if response.content_length().is_some_and(|length| length > most as u64) {
            return Err(too_long());
        }
        let mut read = BytesMut::new();
        loop {
            let piece = timeout(self.limits.pause, response.chunk()).await.map_err(|_| "it stopped")?;
            match piece.map_err(|error| crate::error::reason(&error))? {
                Some(piece) if read.len() + piece.len() > most => return Err(too_long()),
                Some(piece) => read.extend_from_slice(&piece),
                None => return Ok(read.freeze()),
            }
        }
    }
}
