//! RabbitMQ: reachable, greeting, login, rights, queues as the hub declares them.

use adapters::systems;
use contracts::topology;
use secrecy::{ExposeSecret, SecretString};

use super::{
    Findings, Subject, Verdict,
    destinations::{encryption, unreached},
    reach::Target,
};
use crate::broker::{
    address::Address,
    examine::{Examiner, Known, Refused, Reply},
    greeting::{self, Greeting, NoGreeting},
};

/// The oldest version that the tests run on.
const OLDEST: (u32, u32) = (3, 10);
/// The newest major version whose behaviour is known.
const NEWEST_MAJOR: u32 = 4;

pub(super) async fn look(subject: &Subject, findings: &mut Findings) {
    let address = Address::new(&subject.settings.config.amqp_url);
    let mut inside = None;
    // A node that says nothing leaves time for the others, and for what stands behind them.
    let parts = u32::try_from(address.nodes().len()).unwrap_or(u32::MAX).saturating_add(1);
    let limit = subject.limit / parts;
    for url in address.nodes() {
        let look = tokio::time::timeout(limit, look_at_node(url, subject, findings)).await;
        let greeted = look.unwrap_or_else(|_| {
            let at = Target::of(url.expose_secret());
            let at = at.map(|target| format!("{}:{}", target.host, target.port));
            let found = format!("no answer within {} s", limit.as_secs_f64());
            let mend = "It is down, or packets are dropped on the way; --timeout waits longer";
            findings.add_about("deadline", at.as_deref(), Verdict::fail(found, mend));
            false
        });
        inside = inside.or_else(|| greeted.then(|| url.clone()));
    }
    // What stands behind one node stands behind all of them.
    if let Some(url) = inside {
        look_inside(&url, subject, findings).await;
    }
}

/// Whether the node is there and greets as a broker does.
async fn look_at_node(url: &SecretString, subject: &Subject, findings: &mut Findings) -> bool {
    let Some(target) = Target::of(url.expose_secret()) else {
        let mend = "amqp.url is missing or no URL: see the settings above";
        findings.add("reachable", Verdict::fail("not looked at", mend));
        return false;
    };
    let at = format!("{}:{}", target.host, target.port);
    let mut reached = match target.reach().await {
        Ok(reached) => reached,
        Err(why) => {
            findings.add_about("reachable", Some(&at), unreached(&why, "amqp.url", subject.now));
            return false;
        }
    };
    findings.add_about("reachable", Some(&at), Verdict::ok("takes connections"));
    findings.add_about("encryption", Some(&at), encryption(&target, reached.tls, subject.now));
    let greeted = greeting::greet(&mut reached.stream).await;
    findings.add_about("version", Some(&at), version(&greeted));
    greeted.is_ok()
}

async fn look_inside(url: &SecretString, subject: &Subject, findings: &mut Findings) {
    let examiner = match Examiner::connect(url).await {
        Ok(examiner) => examiner,
        Err(refused) => return findings.add("login", login(refused)),
    };
    findings.add("login", Verdict::ok("accepted"));
    findings.add("heartbeat", heartbeat(examiner.heartbeat_s()));
    let config = &subject.settings.config;
    for exchange in topology::exchanges() {
        let known = examiner.exchange(&exchange).await.ok();
        findings.add_about("exchange", Some(exchange.name), declared(known, false));
    }
    let own = contracts::own::SPEC.name;
    let known_systems = systems::all();
    let configured = known_systems.iter().map(|system| system.spec().name);
    let configured = configured.filter(|name| config.systems.contains_key(name)).chain([own]);
    for queue in topology::queues(configured) {
        let known = examiner.queue(&queue).await.ok();
        findings.add_about("queue", Some(&queue.name), declared(known, true));
    }
    if let Ok(wide) = examiner.may_configure_all().await {
        findings.add("rights", rights(wide));
    }
    let reply = tokio::time::timeout(subject.limit / 3, examiner.reply()).await;
    let reply = reply.ok().and_then(Result::ok);
    findings.add("publishing", publishing(reply, examiner.is_blocked()));
    // A broker that holds publishers up does not say goodbye either.
    if tokio::time::timeout(subject.limit / 10, examiner.close()).await.is_err() {
        tracing::debug!("the broker did not answer the goodbye");
    }
}

fn version(greeted: &Result<Greeting, NoGreeting>) -> Verdict {
    let greeting = match greeted {
        Ok(greeting) => greeting,
        Err(why) => {
            let mend = "amqp.url names another program's port, or a port that wants TLS (amqps://)";
            return Verdict::fail(why.to_string(), mend);
        }
    };
    let found = format!("{} {}", greeting.product, greeting.version);
    let mut numbers = greeting.version.split('.').map(|part| part.parse::<u32>().ok());
    let (major, minor) = (numbers.next().flatten(), numbers.next().flatten());
    match (greeting.product.as_str(), major.zip(minor)) {
        ("RabbitMQ", Some(known)) if known >= OLDEST && known.0 <= NEWEST_MAJOR => {
            Verdict::ok(format!("{found}: quorum queues, at-least-once dead-lettering, streams"))
        }
        ("RabbitMQ", Some(known)) if known < OLDEST => {
            let mend = "Older than 3.10 dead-letters at most once: a message can be lost; upgrade";
            Verdict::warn(found, mend)
        }
        _ => Verdict::warn(
            found,
            "Known are RabbitMQ 3.10 to 4: try this one on a test system first",
        ),
    }
}

fn login(refused: Refused) -> Verdict {
    match refused {
        Refused::Login => Verdict::fail(
            "the broker refuses the user or the password",
            "Compare amqp.url (or its file) with `rabbitmqctl authenticate_user`; `guest` works from \
             the broker's own machine only",
        ),
        Refused::VirtualHost => Verdict::fail(
            "no such virtual host, or not for this user",
            "The last part of amqp.url is the virtual host (`%2f` is `/`); `rabbitmqctl \
             list_permissions -p VHOST` says who may enter",
        ),
        Refused::Other => Verdict::fail(
            "the connection ended while logging in",
            "Look into the broker's log; a proxy in between may have cut it",
        ),
    }
}

fn heartbeat(seconds: u16) -> Verdict {
    let mend =
        "A dead connection is noticed late: set `heartbeat` between 10 and 60 in rabbitmq.conf";
    match seconds {
        0 => Verdict::warn("none", mend),
        1..=120 => Verdict::ok(format!("every {seconds} s")),
        _ => Verdict::warn(format!("every {seconds} s"), mend),
    }
}

fn declared(known: Option<Known>, is_queue: bool) -> Verdict {
    match known {
        Some(Known::AsDeclared { .. }) if !is_queue => Verdict::ok("as declared"),
        Some(Known::AsDeclared { messages, consumers: 0 }) => Verdict::warn(
            format!("as declared; {messages} messages, nobody consumes"),
            "Jobs wait in it: start `hub run` (without --only that leaves this system out)",
        ),
        Some(Known::AsDeclared { messages, consumers }) => {
            Verdict::ok(format!("as declared; {messages} messages, {consumers} consumers"))
        }
        Some(Known::Missing) => Verdict::warn(
            "not there",
            "`hub run` declares it when it starts; until then publishers are told that there is none",
        ),
        Some(Known::Differs(what)) => Verdict::fail(
            what,
            "`hub run` cannot start beside it. Let it run empty, delete it, and start `hub run`, which \
             declares it anew; what made it was another program or a policy",
        ),
        Some(Known::Denied) => Verdict::fail(
            "the user may not configure it",
            r"`rabbitmqctl set_permissions -p VHOST hub 'hub\..*' 'hub\..*|amq\.default' 'hub\..*'`",
        ),
        None => Verdict::fail(
            "no answer to the question",
            "A quorum queue without a majority of its nodes looks like this: `rabbitmq-queues \
             check_if_node_is_quorum_critical`, `rabbitmqctl cluster_status`",
        ),
    }
}

fn rights(may_configure_all: bool) -> Verdict {
    if !may_configure_all {
        return Verdict::ok("no more than needed, as far as can be told");
    }
    Verdict::warn(
        "the user may configure what is not the hub's",
        r"Least rights: `rabbitmqctl set_permissions -p VHOST hub 'hub\..*' 'hub\..*|amq\.default' 'hub\..*'`",
    )
}

fn publishing(reply: Option<Reply>, is_blocked: bool) -> Verdict {
    match (reply, is_blocked) {
        (Some(Reply::Taken), false) => Verdict::ok("publishes are confirmed"),
        (_, true) => Verdict::fail(
            "the broker holds publishers up",
            "An alarm of memory or disk: `rabbitmq-diagnostics alarms`. Events wait in the outbox",
        ),
        (Some(Reply::Denied), _) => Verdict::fail(
            "the user may not write to the default exchange",
            r"Replies to waiting users are lost: the write right needs `|amq\.default`",
        ),
        (None, false) => Verdict::fail(
            "no confirm",
            "An alarm looks like this too: `rabbitmq-diagnostics alarms`, then the broker's log",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Light::{self, Fail, Ok as Good, Warn};

    #[test]
    fn versions_that_the_tests_know_are_ok() {
        for (product, version_text, light) in [
            ("RabbitMQ", "3.9.29", Warn),
            ("RabbitMQ", "3.10.8", Good),
            ("RabbitMQ", "3.13.7", Good),
            ("RabbitMQ", "4.0.1", Good),
            ("RabbitMQ", "4.3.0-rc.1", Good),
            ("RabbitMQ", "5.0.0", Warn),
            ("RabbitMQ", "nonsense", Warn),
            ("LavinMQ", "4.0.0", Warn),
        ] {
            let greeting = Greeting { product: product.into(), version: version_text.into() };
            assert_eq!(version(&Ok(greeting)).light, light, "{product} {version_text}");
        }
        assert_eq!(version(&Err(NoGreeting::Foreign)).light, Fail);
    }

    #[test]
    fn a_queue_with_other_arguments_fails_and_is_named() {
        let as_declared = |consumers| Known::AsDeclared { messages: 5, consumers };
        let table: [(Option<Known>, Light); 6] = [
            (Some(as_declared(2)), Good),
            (Some(as_declared(0)), Warn),
            (Some(Known::Missing), Warn),
            (Some(Known::Differs("x-overflow: …".into())), Fail),
            (Some(Known::Denied), Fail),
            (None, Fail),
        ];
        for (known, light) in table {
            assert_eq!(declared(known.clone(), true).light, light, "{known:?}");
        }
        assert_eq!(
            declared(Some(as_declared(0)), false).light,
            Good,
            "exchanges have no consumers"
        );
        let differs = declared(Some(Known::Differs("x-overflow: …".into())), true);
        assert!(differs.found.contains("x-overflow"), "{differs:?}");
    }

    #[test]
    fn an_alarm_is_told_from_a_missing_right() {
        for (reply, blocked, light, word) in [
            (Some(Reply::Taken), false, Good, "confirmed"),
            (Some(Reply::Taken), true, Fail, "holds"),
            (None, true, Fail, "holds"),
            (Some(Reply::Denied), false, Fail, "write"),
            (None, false, Fail, "no confirm"),
        ] {
            let verdict = publishing(reply, blocked);
            assert_eq!(verdict.light, light);
            assert!(verdict.found.contains(word), "{verdict:?}");
        }
    }

    #[test]
    fn heartbeats_are_neither_off_nor_rare() {
        for (seconds, light) in [(0, Warn), (1, Good), (60, Good), (120, Good), (121, Warn)] {
            assert_eq!(heartbeat(seconds).light, light, "{seconds}");
        }
        assert_eq!(rights(true).light, Warn);
        assert_eq!(rights(false).light, Good);
        for refused in [Refused::Login, Refused::VirtualHost, Refused::Other] {
            assert_eq!(login(refused).light, Fail, "{refused:?}");
        }
    }
}
