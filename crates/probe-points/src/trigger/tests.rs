use proptest::prelude::*;

use crate::error::ErrorKind;
use crate::trigger::parse::parse;
use crate::trigger::syntax::{FunctionStart, LONGEST_TRIGGER, Location, Name, ObjectName, Trigger};

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn canonical(text: &str) -> String {
    parse(text).unwrap().to_string()
}

#[test]
fn each_kind_has_its_spellings() {
    for (text, spelt) in [
        ("usdt:python:function__entry", "u:python:function__entry"),
        ("u:libc.so.6:libc:setjmp", "u:libc.so.6:libc:setjmp"),
        ("trace:sched:sched_switch", "t:sched:sched_switch"),
        ("kprobe:vfs_read+16", "k:vfs_read+0x10"),
        ("k:foo.isra.0", "k:foo.isra.0"),
        ("kretprobe:vfs_read", "kr:vfs_read"),
        ("uprobe:main", "up:main"),
        ("up:main+0x0", "up:main"),
        ("up:/usr/bin/a b:main+4", "up:/usr/bin/a b:main+0x4"),
        ("upr:libc.so.6:malloc", "ur:libc.so.6:malloc"),
        ("uretprobe:0X401136", "ur:0x401136"),
        ("up:libx.so:0x10", "up:libx.so:0x10"),
        ("up:ns::Class::method", "up:ns::Class::method"),
        (
            "up:libfoo.so:ns::f(int, char const*)",
            "up:libfoo.so:ns::f(int, char const*)",
        ),
        ("up:libfoo.so:::f", "up:libfoo.so:::f"),
        ("up:::f", "up:::f"),
        ("up:A::operator+(int)", "up:A::operator+(int)"),
        ("up:A::operator++", "up:A::operator++"),
        ("up:type\\x3a.eq", "up:type\\x3a.eq"),
    ] {
        assert_eq!(canonical(text), spelt, "{text}");
        assert_eq!(parse(spelt).unwrap(), parse(text).unwrap(), "{text}");
    }
}

#[test]
fn the_object_is_before_the_first_single_colon() {
    let expected = Trigger::Uprobe {
        object: Some(ObjectName::Base(name("libfoo.so"))),
        location: Location::Symbol {
            name: name("ns::f(int)"),
            offset: 0,
        },
    };
    assert_eq!(parse("up:libfoo.so:ns::f(int)").unwrap(), expected);
}

#[test]
fn what_is_malformed_says_why() {
    for (text, why) in [
        ("", "no kind"),
        ("main", "no kind"),
        ("U:a:b", "no kind of trigger"),
        ("x\u{202e}:a:b", "'x\\u{202e}' is no kind"),
        ("u:a", "a provider and a name"),
        ("u:a:b:c:d", "a provider and a name"),
        ("u::b", "the provider is empty"),
        ("u:a:", "the probe's name is empty"),
        ("t:sched", "a system and an event"),
        ("t:sched:", "empty"),
        ("t:..:id", "only letters"),
        ("t:a/b:c", "only letters"),
        ("k:", "empty"),
        ("k:a b", "only letters"),
        ("k:f+0x", "the offset"),
        ("k:f+99999999999999999999", "the offset"),
        ("kr:f+1", "no offset"),
        ("ur:f+0", "no offset"),
        ("ur:0x10+1", "no offset"),
        ("up:0x10+1", "an address takes no offset"),
        ("up:0xg", "the address"),
        ("up:", "the function's name is empty"),
        ("up:lib:", "the function's name is empty"),
        ("up::f", "the object's name is empty"),
        ("up: f", "a space"),
        ("up:f\n", "control characters"),
        ("up:f\0", "control characters"),
        ("up:\\x00", "NUL"),
        ("up:\\n", "escape"),
        ("up:\\x+f", "escape"),
    ] {
        let error = parse(text).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Malformed, "{text}");
        assert!(error.message.contains(why), "{text:?}: {error}");
        assert!(error.hint.is_some() && !error.message.contains('\n'));
    }
    let long = format!("up:{}", "f".repeat(LONGEST_TRIGGER));
    assert!(parse(&long).unwrap_err().message.contains("4099 bytes"));
}

fn names() -> impl Strategy<Value = Name> {
    prop_oneof![
        "[a-z:+0x \\\\]{1,12}".prop_filter_map("empty", Name::new),
        prop::collection::vec(1u8.., 1..12).prop_filter_map("empty", Name::new),
        "[a-z]{1,8}(::[a-z+]{1,4}){0,3}".prop_filter_map("empty", Name::new),
        "\\PC{1,8}".prop_filter_map("empty", Name::new),
    ]
}

fn objects() -> impl Strategy<Value = Option<ObjectName>> {
    prop::option::of(names().prop_filter_map("a relative path", ObjectName::new))
}

fn locations() -> impl Strategy<Value = Location> {
    prop_oneof![
        (names(), any::<u64>()).prop_map(|(name, offset)| Location::Symbol { name, offset }),
        any::<u64>().prop_map(Location::Address)
    ]
}

fn starts() -> impl Strategy<Value = FunctionStart> {
    prop_oneof![
        names().prop_map(FunctionStart::Symbol),
        any::<u64>().prop_map(FunctionStart::Address)
    ]
}

fn kernel_names() -> impl Strategy<Value = Name> {
    "[a-z_$][a-z0-9_.$-]{0,12}".prop_filter_map("empty", Name::new)
}

fn triggers() -> impl Strategy<Value = Trigger> {
    prop_oneof![
        (objects(), names(), names()).prop_map(|(object, provider, probe)| Trigger::Usdt {
            object,
            provider,
            probe
        }),
        (kernel_names(), kernel_names())
            .prop_map(|(system, event)| Trigger::Tracepoint { system, event }),
        (kernel_names(), any::<u64>())
            .prop_map(|(function, offset)| Trigger::Kprobe { function, offset }),
        kernel_names().prop_map(|function| Trigger::Kretprobe { function }),
        (objects(), locations())
            .prop_map(|(object, location)| Trigger::Uprobe { object, location }),
        (objects(), starts()).prop_map(|(object, start)| Trigger::Uretprobe { object, start }),
    ]
}

proptest! {
    #[test]
    fn the_canonical_spelling_parses_to_the_same(trigger in triggers()) {
        let text = trigger.to_string();
        prop_assert_eq!(parse(&text).unwrap(), trigger, "{}", text);
    }

    #[test]
    fn any_text_parses_or_is_an_error_of_one_line(text in "(u|t|k|kr|up|ur):\\PC{0,40}|.{0,40}") {
        match parse(&text) {
            Ok(trigger) => prop_assert_eq!(parse(&trigger.to_string()).unwrap(), trigger),
            Err(error) => prop_assert!(!error.message.contains('\n')),
        }
    }
}
