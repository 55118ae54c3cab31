//! Sessions whose pins lie in their ids: the client has a sealed one, the pod its own, and this puts each in the
//! other's place.
//!
//! The client's never changes: some clients take over whatever a response names, others fail upon another
//! than they have.

use super::Filter;
use crate::host::{Direction, Host};
use crate::http::{Edit, HeaderMap};
use crate::keyring::Nonce;
use crate::session::{Pin, SessionId, SessionKey};
use crate::store::sealed;
use crate::store::{Binding, Lookup, Sealer};

pub(super) const SESSION_ID: &str = "mcp-session-id";

impl Filter {
    /// The key of a session that the response at hand opens and that is to be sealed.
    pub(super) fn key_to_seal(&mut self, host: &mut impl Host) -> Option<SessionKey> {
        let nonce = random_nonce(host)?;
        self.nonce = Some(nonce);
        Some(sealed::key_of(&nonce))
    }

    /// Gives the client an id of which this pin is a part.
    pub(super) fn seal(&self, host: &mut impl Host, sealer: &Sealer, pin: Pin) -> Binding {
        if !self.worker.store.includes(pin.place) {
            return Binding::Outside;
        }
        let id = host.response_headers().get(SESSION_ID).map(<[u8]>::to_vec);
        let id = id.as_deref().and_then(|id| SessionId::parse(id).ok());
        let sealed = id.zip(self.nonce).and_then(|(id, nonce)| sealer.seal(&nonce, &pin, id));
        let edit = sealed.map(|sealed| Edit::Set(SESSION_ID.into(), sealed.into_bytes()));
        match edit.map(|edit| host.edit(Direction::Response, &edit)) {
            Some(Ok(())) => Binding::Bound,
            Some(Err(_)) | None => Binding::Failed,
        }
    }

    /// What the id of the request says.
    pub(super) fn unseal(&mut self, host: &impl Host, sealer: &Sealer, key: SessionKey) -> Lookup {
        let id = SessionId::parse(&self.presented).ok();
        let Some(opened) = id.and_then(|id| sealer.open(id)) else {
            return Lookup::Unknown;
        };
        self.sealed_id = Some(opened.id);
        self.worker.store.judge(host, &key, opened.pin, self.asked_at)
    }

    /// Where the response of a session names that, it names it by the client's id from now on.
    pub(super) fn give_clients_id(&mut self, host: &mut impl Host) {
        let Some(pods) = &self.sealed_id else { return };
        let Some(named) = host.response_header(SESSION_ID) else { return };
        let edit = match named == *pods.0 {
            true => Edit::Set(SESSION_ID.into(), std::mem::take(&mut self.presented)),
            // One that nothing is known of.
            false => Edit::Remove(SESSION_ID.into()),
        };
        // A proxy refuses no change of a response that it has.
        let _ = host.edit(Direction::Response, &edit);
    }
}

fn random_nonce(host: &mut impl Host) -> Option<Nonce> {
    let mut nonce = Nonce::default();
    for part in nonce.chunks_mut(size_of::<u64>()) {
        let random = host.random()?.to_be_bytes();
        part.iter_mut().zip(random).for_each(|(to, from)| *to = from);
    }
    Some(nonce)
}
