//! Files that cost as much memory as a file can: reading them again stays within its share of the
//! library heap, and whatever is over a bound is refused before it costs anything.

use toml_parser::Source;
use toml_parser::lexer::TokenKind;
use weir::limits::{CONFIG_BYTES_MAX, CONFIG_HEAP_BYTES_MAX, CONFIG_TABLES_MAX, CONFIG_TOKENS_MAX};

use crate::common::server::{Server, Setup, wait_for};

const PATIENCE_US: u64 = 5_000_000;

/// Tokens that begin a table or a list.
fn tables(text: &str) -> usize {
    let begins = [TokenKind::Dot, TokenKind::LeftSquareBracket, TokenKind::LeftCurlyBracket];
    Source::new(text).lex().filter(|token| begins.contains(&token.kind())).count()
}

/// `head`, and then `piece` again and again as far as the bounds allow, its number in place of `@`.
fn largest(head: &str, piece: &str) -> String {
    let (mut text, mut tokens) = (head.to_owned(), Source::new(head).lex().count());
    let mut begun = tables(head);
    for number in 0.. {
        let piece = piece.replace('@', &format!("{number:x}"));
        tokens += Source::new(&piece).lex().count() - 1;
        begun += tables(&piece);
        let is_over = tokens > CONFIG_TOKENS_MAX || begun > CONFIG_TABLES_MAX;
        if text.len() + piece.len() > CONFIG_BYTES_MAX || is_over {
            break;
        }
        text += &piece;
    }
    text
}

fn high_water_bytes(server: &Server) -> f64 {
    server.metric("weir_library_heap_high_water_bytes").expect("a metric")
}

#[test]
fn the_most_expensive_files_are_read_within_their_share_of_the_heap() {
    let server = Server::start(&Setup::default());
    let good = std::fs::read_to_string(server.config()).expect("a file");
    let begin = high_water_bytes(&server);
    let long = format!("{}@ = 1\n", "k".repeat(200));
    let comment = format!("#{}\n", "~".repeat(200));
    for (what, head, piece) in [
        ("keys", good.as_str(), "k@=1\n"),
        ("long keys", &good, long.as_str()),
        ("tables", &good, "[t@]\n"),
        ("lists of tables", &good, "[[t]]\n"),
        ("dotted keys", &good, "a.b@.c=1\n"),
        ("keys of many parts", &good, &format!("k@{}=1\n", ".a".repeat(50))),
        ("tables in tables", &good, "[t@.a]\n"),
        ("numbers", &format!("{good}a = ["), "1,"),
        ("lists", &format!("{good}a = ["), "[],"),
        ("nested lists", &format!("{good}a = "), "["),
        ("nested tables", &format!("{good}a = "), "{a="),
        ("a key of many parts", &format!("{good}["), "a."),
        ("cameras", &good, "[[camera]]\nname = \"c@\"\nurl = \"rtsp://h/@\"\n"),
        ("bad cameras", &good, "[[camera]]\nurl = 1\nx = 1\n"),
        ("comments", &good, comment.as_str()),
        ("quotes", &good, "\"\n"),
        ("signs", &good, "="),
    ] {
        let text = largest(head, piece);
        server.write(&text);
        let answer = server.reload();
        assert!(matches!(answer.status, 200 | 422), "{what}: {}", answer.body);
        let tokens = Source::new(&text).lex().count();
        let is_full = tokens + 30 > CONFIG_TOKENS_MAX || tables(&text) + 60 > CONFIG_TABLES_MAX;
        assert!(text.len() + 250 > CONFIG_BYTES_MAX || is_full, "{what}");
        if answer.status == 200 {
            // Over the bound by one more piece.
            server.write(&format!("{text}{}", "#\n".repeat(CONFIG_TOKENS_MAX)));
            assert_eq!(server.reload().status, 422, "{what}");
        }
    }
    server.write(&good);
    assert_eq!(server.reload().status, 200);
    // The gauge is written twice a second.
    assert!(wait_for(PATIENCE_US, || high_water_bytes(&server) > begin));
    std::thread::sleep(std::time::Duration::from_millis(600));
    let most = high_water_bytes(&server) - begin;
    println!("{most} bytes of the library heap, of {CONFIG_HEAP_BYTES_MAX}");
    #[allow(clippy::cast_precision_loss)]
    let share = CONFIG_HEAP_BYTES_MAX as f64;
    assert!(most < share, "{most} of {share}");
}
