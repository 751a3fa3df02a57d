//! What `workers/README.md` says about running on your own servers, done as it is said there.

#[cfg(test)]
mod tests {
    use std::path::Path;

    use secrecy::SecretString;
    use tempfile::TempDir;
    use uuid::Uuid;
    use workers::{
        config::Config,
        services::{Options, Services},
        store::Store,
    };

    fn readme() -> String {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
        std::fs::read_to_string(path).expect("workers/README.md")
    }

    fn block(markdown: &str, language: &str) -> String {
        let fence = format!("```{language}\n");
        let (_, rest) = markdown.split_once(fence.as_str()).expect("a block of this language");
        rest.split_once("\n```").expect("an end of the block").0.to_owned()
    }

    #[test]
    fn the_settings_of_the_readme_are_good() {
        let folder = TempDir::with_prefix("hub-settings-").expect("a folder");
        let path = folder.path().to_str().expect("a plain path");
        let files = [
            ("amqp_url", "amqps://hub:secret@broker:5671/%2f"),
            ("database_url", "postgres://hub_worker:secret@database/portal"),
            ("shep_password", "secret"),
            ("kpsisu_password", "secret"),
            ("webhook_secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        ];
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).expect("a file");
        }
        let text = block(&readme(), "toml").replace("/etc/hub", path);
        let file = folder.path().join("hub.toml");
        std::fs::write(&file, text).expect("a file");
        let config = Config::load(Some(&file), []).expect("good settings");
        assert_eq!(config.systems.keys().copied().collect::<Vec<_>>(), ["gbdfl", "kpsisu", "mgov"]);
    }

    fn store(url: &str, login: &str) -> Store {
        let (_, server) = url.split_once('@').expect("a URL with a login");
        let url = SecretString::from(format!("postgres://{login}@{server}"));
        Store::new(&url, 2).expect("a good address")
    }

    async fn may(store: &Store, statement: &'static str) -> bool {
        let mut tx = store.begin().await.expect("a login");
        sqlx::raw_sql(statement).execute(&mut *tx).await.is_ok()
    }

    #[tokio::test]
    async fn the_logins_of_the_readme_may_do_what_they_need() {
        let services = Services::start(&Options::default()).await.expect("private servers");
        let url = services.postgres.url().to_owned();
        let owner = Store::new(&SecretString::from(url.clone()), 2).expect("a good address");
        owner.migrate().await.expect("the schema");
        owner.migrate().await.expect("a second time changes nothing");
        let mut tx = owner.begin().await.expect("a transaction");
        sqlx::raw_sql(sqlx::AssertSqlSafe(block(&readme(), "sql")))
            .execute(&mut *tx)
            .await
            .expect("the logins of the README");
        tx.commit().await.expect("a commit");

        let worker = store(&url, "hub_worker:change-me");
        let (applied, known) = worker.schema_versions().await.expect("may read the version");
        assert_eq!(applied, known);
        worker
            .maintain(&workers::config::Retention::default())
            .await
            .expect("may make and drop partitions");
        worker.ensure_destinations(&["gbdfl"], &[false]).await.expect("may write");
        worker.register_worker(Uuid::from_u128(1), "a test", None).await.expect("may write");

        let portal = store(&url, "portal_backend:change-me");
        assert!(may(&portal, "SELECT count(*) FROM portal.person").await);
        assert!(may(&portal, "SELECT count(*) FROM portal.specialist_access").await);
        assert!(!may(&portal, "DELETE FROM portal.person").await);
        assert!(!may(&portal, "SELECT count(*) FROM hub.job").await);
        for store in [owner, worker, portal] {
            store.close().await;
        }
        services.stop().await;
    }
}
