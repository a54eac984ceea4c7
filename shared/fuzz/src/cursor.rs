//! Cursors of lists, which callers give back as they like.

use flotilla_domain::ServiceName;
use flotilla_engine::status::PageRequest;
use flotilla_sim::World;
use futures::executor::block_on;

thread_local! {
    /// A world in which several services have releases and uploads.
    static WORLD: World = {
        let mut world = World::new(1, &[&["eu-west-1"]]);
        world.shop(&["eu-west-1"]);
        for service in ["api", "database"] {
            for code in ["1", "2"] {
                let version = world.upload_of(service, code);
                world.until("a verdict", |w| w.verdict(&version).is_some());
            }
        }
        world
    };
}

/// Asks for pages after the input: whatever it is, a list shows its own items only, and ends.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    WORLD.with(|world| {
        let (_, status) = world.api();
        let service = ServiceName::parse("api").expect("a name");
        let mut cursor = Some(text.to_owned()).filter(|text| !text.is_empty());
        for _ in 0..4 {
            let page = PageRequest { cursor: cursor.clone(), limit: 1 };
            let releases = block_on(status.releases(&service, page.clone())).expect("a page");
            assert!(releases.items.iter().all(|release| release.service == "api"), "{text:?}");
            let uploads = block_on(status.uploads(Some(&service), page.clone())).expect("a page");
            assert!(uploads.items.iter().all(|upload| upload.key.starts_with("incoming/api/")), "{text:?}");
            let nameless = block_on(status.uploads(None, page)).expect("a page");
            assert!(nameless.items.is_empty(), "{text:?}");
            cursor = releases.next;
            if cursor.is_none() {
                return;
            }
        }
        panic!("the list does not end after {text:?}");
    });
}
