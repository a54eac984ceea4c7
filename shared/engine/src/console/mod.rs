//! Signing in to the console: an IAM principal asks for a link, which signs a browser in once and soon expires.
//!
//! Tokens are random and made by whoever calls; only their digests are known here, and stored.

use crate::EngineError;
use crate::access::{Caller, Commands};
use crate::ports::WriteError;
use crate::records::{ConsoleToken, TokenKind, Versioned, console_key, read};
use flotilla_domain::access::{Act, Scope};
use flotilla_domain::{Code, Digest, Refusal, SignedDuration, Timestamp};

/// How long a link can be used.
const LINK_LIFE: SignedDuration = SignedDuration::from_secs(60);
/// How long a session lasts.
pub const SESSION_LIFE: SignedDuration = SignedDuration::from_hours(8);

impl Commands {
    /// Makes a link that signs the caller in to the console. Returns when it expires.
    ///
    /// # Errors
    /// A refusal if the caller may not view anything; errors of the store.
    pub async fn open_console(&self, caller: &Caller, link: &Digest) -> Result<Timestamp, EngineError> {
        let order = self.order(caller, Act::OpenConsole, Scope::ANYTHING).await?.detail("link made");
        let token = self.token(*link, TokenKind::Link, &caller.principal, LINK_LIFE);
        self.save(&order, vec![Versioned::new(token.clone()).write(&token, None)]).await?;
        Ok(token.expires_at)
    }

    /// Uses a link up and begins a session of its principal.
    ///
    /// # Errors
    /// [`Code::NotAuthenticated`] if the link is unknown, expired or used up, also by a concurrent request; errors of the store.
    pub async fn enter_console(
        &self,
        link: &Digest,
        session: &Digest,
        request_id: String,
    ) -> Result<(), EngineError> {
        let saved = self.valid_token(link, TokenKind::Link).await?.ok_or_else(not_signed_in)?;
        let caller = self.caller(saved.value.principal.clone(), request_id).await?;
        let order = self.order(&caller, Act::OpenConsole, Scope::ANYTHING).await?.detail("signed in");
        let used = ConsoleToken { is_used: true, ..saved.value.clone() };
        let token = self.token(*session, TokenKind::Session, &caller.principal, SESSION_LIFE);
        let writes = vec![saved.write(&used, None), Versioned::new(token.clone()).write(&token, None)];
        match self.save(&order, writes).await {
            Ok(()) => Ok(()),
            Err(WriteError::Conflict(_)) => Err(not_signed_in().into()),
            Err(WriteError::Port(error)) => Err(error.into()),
        }
    }

    /// The caller of a session.
    ///
    /// # Errors
    /// [`Code::NotAuthenticated`] if the session is unknown or has ended; errors of the store.
    pub async fn console_caller(&self, session: &Digest, request_id: String) -> Result<Caller, EngineError> {
        let saved = self.valid_token(session, TokenKind::Session).await?.ok_or_else(not_signed_in)?;
        self.caller(saved.value.principal, request_id).await
    }

    /// Ends a session, whatever its principal may do by now. Returns whether there was one to end.
    ///
    /// # Errors
    /// Errors of the store.
    pub async fn leave_console(&self, session: &Digest, request_id: String) -> Result<bool, EngineError> {
        let Some(saved) = self.valid_token(session, TokenKind::Session).await? else { return Ok(false) };
        let caller = self.caller(saved.value.principal.clone(), request_id).await?;
        let order = self.own_order(&caller, Act::CloseConsole);
        let ended = ConsoleToken { is_used: true, ..saved.value.clone() };
        match self.save(&order, vec![saved.write(&ended, None)]).await {
            // A concurrent request has ended it.
            Ok(()) | Err(WriteError::Conflict(_)) => Ok(true),
            Err(WriteError::Port(error)) => Err(error.into()),
        }
    }

    fn token(&self, digest: Digest, kind: TokenKind, principal: &str, life: SignedDuration) -> ConsoleToken {
        let now = self.clock.now();
        let expires_at = now.saturating_add(life).unwrap_or(now);
        ConsoleToken { digest, kind, principal: principal.to_owned(), expires_at, is_used: false }
    }

    async fn valid_token(
        &self,
        digest: &Digest,
        kind: TokenKind,
    ) -> Result<Option<Versioned<ConsoleToken>>, EngineError> {
        let found = self.store.get(&[console_key(digest)]).await?.into_iter().next().flatten();
        let saved = found.map(read::<ConsoleToken>).transpose()?;
        let now = self.clock.now();
        Ok(saved
            .filter(|saved| saved.value.kind == kind && !saved.value.is_used && saved.value.expires_at > now))
    }
}

/// The refusal of whoever has no valid link or session.
pub fn not_signed_in() -> Refusal {
    Refusal::new(
        Code::NotAuthenticated,
        "you are not signed in, or your session has ended",
        "open the console with: flotilla open",
    )
}
