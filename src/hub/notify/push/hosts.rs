//! Where push services may be.

use reqwest::Url;

use crate::hub::notify::http::parse;

/// The push services of Chrome and its kin, Firefox, Safari and Edge. The address comes from whoever is signed in, so
/// it is taken only from these, or from hosts that the hub's settings name.
const HOSTS: [&str; 5] = [
    "fcm.googleapis.com",
    "updates.push.services.mozilla.com",
    "*.push.services.mozilla.com",
    "*.push.apple.com",
    "*.notify.windows.com",
];

/// A push service as a browser named it: `https` to a known one, or whatever leads to a host of `ours`.
pub(super) fn address(url: &str, ours: &[String]) -> Result<Url, String> {
    let host = url.parse().ok().and_then(|url: Url| url.host_str().map(str::to_owned)).unwrap_or_default();
    if ours.contains(&host) {
        return parse(url, &[], true);
    }
    parse(url, &HOSTS, false).map_err(|_| {
        format!("{host:?} is no push service that this hub knows; an administrator can name it in push_hosts")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_push_services_and_those_of_the_settings_are_written_to() {
        let ours = ["push.example.org".to_owned(), "127.0.0.1".to_owned()];
        for url in [
            "https://fcm.googleapis.com/fcm/send/x",
            "https://updates.push.services.mozilla.com/wpush/v2/x",
            "https://web.push.apple.com/x",
            "https://wns2-par02p.notify.windows.com/w/?token=x",
            "https://push.example.org/x",
            "http://127.0.0.1:8080/x",
        ] {
            assert!(address(url, &ours).is_ok(), "{url}");
        }
        for url in [
            "http://fcm.googleapis.com/fcm/send/x",
            "https://fcm.googleapis.com.evil.example/x",
            "https://evil.example/fcm.googleapis.com",
            "https://user:pass@fcm.googleapis.com/",
            "https://10.0.0.1/",
            "https://127.0.0.1/",
            "https://[::1]/",
            "https://localhost/",
            "https://169.254.169.254/latest",
            "file:///etc/passwd",
            "",
        ] {
            assert!(address(url, &[]).is_err(), "{url}");
        }
    }
}
