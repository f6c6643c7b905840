//! Names of topics of Amazon SNS.

use std::fmt;

/// A topic of Amazon SNS, by its name (ARN): `arn:aws:sns:eu-west-1:123456789012:mail-events`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicArn {
    arn: String,
    host: String,
}

impl TopicArn {
    /// Reads the name of a standard topic; `None` when it is not of that form. A FIFO topic calls no web servers.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let [arn, partition, "sns", region, account, name] =
            *text.split(':').collect::<Vec<_>>().as_slice()
        else {
            return None;
        };
        let domain = match (partition, region.split('-').next()?) {
            ("aws-cn", "cn") => "amazonaws.com.cn",
            ("aws-cn", _) | (_, "cn") => return None,
            ("aws" | "aws-us-gov", _) => "amazonaws.com",
            _ => return None,
        };
        let is_account = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
        let in_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        let is_name = (1..=256).contains(&name.len()) && name.bytes().all(in_name);
        (arn == "arn" && is_region(region) && is_account && is_name).then(|| Self {
            arn: text.to_owned(),
            host: format!("sns.{region}.{domain}"),
        })
    }

    /// Several, with commas between them; `None` when one is not of that form.
    #[must_use]
    pub fn parse_all(text: &str) -> Option<Vec<Self>> {
        text.split(',').map(|it| Self::parse(it.trim())).collect()
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.arn
    }

    /// The host that the topic's region speaks through: `sns.eu-west-1.amazonaws.com`.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }
}

impl fmt::Display for TopicArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.arn)
    }
}

/// `eu-west-1`, `us-gov-east-1`: two letters, one or two words, a number.
fn is_region(text: &str) -> bool {
    let letters = |it: &str| !it.is_empty() && it.bytes().all(|b| b.is_ascii_lowercase());
    let digits = |it: &str| (1..=2).contains(&it.len()) && it.bytes().all(|b| b.is_ascii_digit());
    match *text.split('-').collect::<Vec<_>>() {
        [area, ref words @ .., number] => {
            area.len() == 2
                && letters(area)
                && (1..=2).contains(&words.len())
                && words.iter().all(|word| letters(word))
                && digits(number)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_topic_speaks_through_the_host_of_its_region() {
        for (arn, host) in [
            (
                "arn:aws:sns:eu-west-1:123456789012:mail-events",
                "sns.eu-west-1.amazonaws.com",
            ),
            (
                "arn:aws:sns:ap-southeast-2:123456789012:a_B-9",
                "sns.ap-southeast-2.amazonaws.com",
            ),
            (
                "arn:aws-us-gov:sns:us-gov-east-1:123456789012:m",
                "sns.us-gov-east-1.amazonaws.com",
            ),
            (
                "arn:aws-cn:sns:cn-north-1:123456789012:m",
                "sns.cn-north-1.amazonaws.com.cn",
            ),
        ] {
            let topic = TopicArn::parse(arn).unwrap();
            assert_eq!((topic.as_str(), topic.host()), (arn, host));
        }
    }

    #[test]
    fn nothing_else_is_a_topic() {
        for bad in [
            "",
            "mail-events",
            "arn:aws:sns:eu-west-1:123456789012:",
            "arn:aws:sns:eu-west-1:123456789012:m:0192f3a4",
            "arn:aws:sns:eu-west-1:123456789012:m.fifo",
            "arn:aws:sns:eu-west-1:12345678901:m",
            "arn:aws:sqs:eu-west-1:123456789012:m",
            "arn:other:sns:eu-west-1:123456789012:m",
            "arn:aws:sns:cn-north-1:123456789012:m",
            "arn:aws-cn:sns:eu-west-1:123456789012:m",
            "arn:aws:sns:eu-west:123456789012:m",
            "arn:aws:sns:eu-west-a:123456789012:m",
            "arn:aws:sns:eu--1:123456789012:m",
            "arn:aws:sns:eu-west-1.evil.example/:123456789012:m",
            "arn:aws:sns:evil.example#-a-1:123456789012:m",
            " arn:aws:sns:eu-west-1:123456789012:m",
        ] {
            assert_eq!(TopicArn::parse(bad), None, "{bad}");
        }
        let two = "arn:aws:sns:eu-west-1:123456789012:m, arn:aws:sns:eu-west-1:123456789012:n";
        assert_eq!(TopicArn::parse_all(two).unwrap().len(), 2);
        assert_eq!(TopicArn::parse_all(&format!("{two},")), None);
    }

    proptest! {
        #[test]
        fn no_text_leads_to_another_host(region in "[a-z0-9./@#:?-]{1,24}") {
            let arn = format!("arn:aws:sns:{region}:123456789012:m");
            if let Some(topic) = TopicArn::parse(&arn) {
                let label = topic.host().strip_prefix("sns.").unwrap();
                let label = label.strip_suffix(".amazonaws.com").unwrap();
                prop_assert!(label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'));
            }
        }
    }
}
