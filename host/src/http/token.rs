//! A login's token, one for all workers of a pipeline: whoever finds it missing, old or refused fetches another, and the
//! others wait for it.

use super::client::{Response, exchange};
use super::endpoint::Answer;
use super::secrets::Secrets;
use super::wanted::Wanted;
use crate::config::{Address, FeaturebaseCloud as Config};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Client;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::Mutex;

/// How long a token lasts that does not say so.
const USUAL: Duration = Duration::from_secs(3600);

/// Logs in to FeatureBase Cloud.
pub(super) struct Session {
    client: Client,
    secrets: Arc<Secrets>,
    url: Address,
    username: String,
    password: String,
    token: Mutex<Option<Token>>,
}

/// What requests show.
#[derive(Clone)]
pub(super) struct Token {
    /// For the header.
    pub(super) text: String,
    /// When it should be renewed.
    pub(super) renew: Instant,
}

impl Session {
    /// `secrets` will know its tokens.
    pub(super) fn new(client: Client, secrets: Arc<Secrets>, config: &Config) -> Self {
        let Config { login_url, username, password, .. } = config;
        let (url, username, password) = (login_url.clone(), username.clone(), password.0.clone());
        Self { client, secrets, url, username, password, token: Mutex::new(None) }
    }

    /// Where tokens come from.
    pub(super) fn url(&self) -> &Address {
        &self.url
    }

    /// Who logs in.
    pub(super) fn username(&self) -> &str {
        &self.username
    }

    /// A token that should work: the present one, unless it is old, or it is `refused`.
    ///
    /// # Errors
    /// What the login's answer means for a request that wants the token.
    pub(super) async fn token(&self, refused: Option<&str>) -> Result<Token, Answer> {
        let mut present = self.token.lock().await;
        let works = |token: &&Token| Instant::now() < token.renew && refused != Some(token.text.as_str());
        if let Some(token) = present.as_ref().filter(works) {
            return Ok(token.clone());
        }
        let body = json!({ "USERNAME": self.username, "PASSWORD": self.password });
        let request = self.client.post(self.url.whole()).header("content-type", "application/json");
        let token = self.read(&exchange(request.body(body.to_string()), &self.secrets, &Wanted::default()).await?)?;
        self.secrets.learn(&token.text);
        Ok(present.insert(token).clone())
    }

    fn read(&self, response: &Response) -> Result<Token, Answer> {
        if response.status.as_u16() == 200 {
            let token =
                serde_json::from_slice(&response.body).ok().and_then(|answer| Token::read(answer, Instant::now()));
            // the answer may hold a part of a token: it is not shown
            return token.ok_or_else(|| {
                Answer::Fatal(format!(
                    "the login at {} answered without a token, `AuthenticationResult.IdToken`: is that the login's address?",
                    self.url
                ))
            });
        }
        let about = format!("the login at {}", self.url);
        match response.verdict(&about) {
            Some(again @ Answer::Again { .. }) => Err(again),
            _ => {
                let remedy = match response.status.as_u16() {
                    404 | 405 | 410 => "correct `login_url`",
                    _ => "correct `username` and `password`",
                };
                Err(Answer::Fatal(format!("{about} was refused, {}; {remedy}", response.shown())))
            }
        }
    }
}

#[derive(Deserialize)]
struct Login {
    #[serde(rename = "AuthenticationResult")]
    result: Authentication,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Authentication {
    id_token: String,
    expires_in: Option<f64>,
}

impl Token {
    /// Reads a login's answer that came now. A token is renewed when nine tenths of its time are over.
    pub(super) fn read(answer: Value, now: Instant) -> Option<Self> {
        let Login { result } = serde_json::from_value(answer).ok()?;
        let given = result.expires_in.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let lasts = given.or_else(|| expiry(&result.id_token)).unwrap_or(USUAL);
        let lasts = lasts.clamp(Duration::from_secs(1), Duration::from_secs(30 * 86_400));
        (!result.id_token.is_empty()).then(|| Self { text: result.id_token, renew: now + lasts.mul_f64(0.9) })
    }
}

/// How long a JWT lasts from now on, by its claim `exp` (RFC 7519, 4.1.4).
fn expiry(token: &str) -> Option<Duration> {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?.trim_end_matches('=')).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    let until = Duration::try_from_secs_f64(claims["exp"].as_f64()?).ok()?;
    until.checked_sub(SystemTime::now().duration_since(UNIX_EPOCH).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lasts(answer: Value) -> Option<f64> {
        let now = Instant::now();
        Token::read(answer, now).map(|token| (token.renew - now).as_secs_f64().round())
    }

    #[test]
    fn a_token_says_how_long_it_lasts_or_its_claims_do() {
        let in_an_hour = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 1000;
        let claims = URL_SAFE_NO_PAD.encode(json!({ "exp": in_an_hour }).to_string());
        let jwt = format!("e30.{claims}.sig");
        let answer =
            |token: &str, expires: Value| json!({ "AuthenticationResult": { "IdToken": token, "ExpiresIn": expires } });
        assert_eq!(lasts(answer("t", json!(100))), Some(90.0));
        assert!((899.0..=900.0).contains(&lasts(answer(&jwt, Value::Null)).unwrap()));
        assert_eq!(lasts(answer("no jwt", Value::Null)), Some(3240.0));
        assert_eq!(lasts(answer("t", json!(-5))), Some(3240.0));
        assert_eq!(lasts(answer("t", json!(1e300))), Some(3240.0));
        assert_eq!(lasts(answer("", json!(1))), None);
        assert_eq!(lasts(json!({})), None);
    }

    proptest! {
        #[test]
        fn any_answer_is_a_token_that_lasts_a_while_or_none(
            token in "[ -~]{0,20}|[a-z]{1,3}\\.[A-Za-z0-9_=-]{0,40}\\.x",
            expires in any::<f64>(),
            claim in any::<f64>(),
        ) {
            let claims = URL_SAFE_NO_PAD.encode(json!({ "exp": claim }).to_string());
            for token in [token, format!("e30.{claims}.sig")] {
                for expires in [json!(expires), json!("x"), Value::Null] {
                    let lasts = lasts(json!({ "AuthenticationResult": { "IdToken": token, "ExpiresIn": expires } }));
                    prop_assert!(lasts.is_none_or(|lasts| (0.0..=30.0 * 86_400.0).contains(&lasts)));
                }
            }
        }
    }
}
