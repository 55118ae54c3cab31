//! JSON Web Tokens (RFC 7519), signed by HMAC-SHA256 with the key of `envoy/identity.yaml`.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;

const KEY: &[u8] = b"example-key-that-anybody-can-read";

/// Whose tokens it takes.
pub const ISSUER: &str = "https://issuer.example";

/// A token of this subject, as an `authorization` header has it. Tokens with other numbers are others.
pub fn bearer(issuer: &str, subject: &str, number: u32) -> String {
    let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let head = part(json!({"alg": "HS256", "typ": "JWT", "kid": "example"}));
    // 2100-01-01.
    let claims = part(json!({
        "iss": issuer, "sub": subject, "aud": "https://mcp.example", "exp": 4_102_444_800_u64, "jti": number.to_string(),
    }));
    let signed = Hmac::<Sha256>::new_from_slice(KEY)
        .expect("a key")
        .chain_update(format!("{head}.{claims}"));
    let signature = URL_SAFE_NO_PAD.encode(signed.finalize().into_bytes());
    format!("Bearer {head}.{claims}.{signature}")
}
