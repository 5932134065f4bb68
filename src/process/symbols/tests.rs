//! The symbol table of this test program, and of files that are made up.

use super::*;

impl ReadAt for Vec<u8> {
    fn fill(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        let from = usize_of(offset);
        let found = from.checked_add(bytes.len()).and_then(|end| self.get(from..end));
        bytes.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

#[inline(never)]
extern "C" fn a_function_to_be_found() -> u32 {
    std::hint::black_box(7)
}

fn put(image: &mut [u8], at: usize, value: u64, bytes: usize) {
    image[at..at + bytes].copy_from_slice(&value.to_le_bytes()[..bytes]);
}

/// A file of one segment at 0x40_0000 and three symbols: a variable, `alpha` of 16 bytes at 0x100
/// and a mangled function of 32 bytes at 0x200.
fn image() -> Vec<u8> {
    const MANGLED: &[u8] = b"_ZN4weir5media5serve17h0123456789abcdefE";
    let mut image = vec![0; 1024];
    image[..6].copy_from_slice(&[0x7f, b'E', b'L', b'F', 2, 1]);
    for (at, value, bytes) in [(32, 64, 8), (40, 128, 8), (56, 1, 2), (60, 3, 2)] {
        put(&mut image, at, value, bytes);
    }
    put(&mut image, 64, PT_LOAD, 4);
    put(&mut image, 64 + 16, 0x40_0000, 8);
    let table = 128 + SECTION_BYTES;
    for (at, value, bytes) in [(4, SHT_SYMTAB, 4), (24, 512, 8), (32, 3 * 24, 8), (40, 2, 4)] {
        put(&mut image, table + at, value, bytes);
    }
    let names = table + SECTION_BYTES;
    put(&mut image, names + 24, 700, 8);
    put(&mut image, names + 32, 1024 - 700, 8);
    let symbols =
        [(1, 1, 0x40_0100, 64), (1, STT_FUNC, 0x40_0100, 16), (7, STT_FUNC, 0x40_0200, 32)];
    for (at, (name, kind, value, size)) in symbols.into_iter().enumerate() {
        let at = 512 + at * SYMBOL_ENTRY_BYTES;
        put(&mut image, at, name, 4);
        image[at + 4] = kind;
        put(&mut image, at + 8, value, 8);
        put(&mut image, at + 16, size, 8);
    }
    image[701..706].copy_from_slice(b"alpha");
    image[707..707 + MANGLED.len()].copy_from_slice(MANGLED);
    image
}

fn symbols(tree: &CallTree) -> Vec<(u32, u32)> {
    let mut found: Vec<_> = tree.places().filter_map(|at| tree.call(at)).collect();
    found.sort_by_key(|call| call.address);
    found.into_iter().map(|call| (call.address, call.symbol)).collect()
}

#[test]
fn addresses_get_the_function_they_lie_in_and_no_other() {
    let tree = Box::new(CallTree::new());
    for address in [0xff, 0x100, 0x10f, 0x110, 0x200, 0x21f, 0x220, u32::MAX] {
        tree.add(&[address, 0x205], 1);
    }
    let table = Symbols::of(image()).expect("a table");
    table.resolve(&tree).expect("it is read");
    let expected = [
        (0xff, 0),
        (0x100, 1),
        (0x10f, 1),
        (0x110, 0),
        (0x200, 7),
        (0x205, 7),
        (0x21f, 7),
        (0x220, 0),
        (u32::MAX, 0),
    ];
    assert_eq!(symbols(&tree), expected);
    assert_eq!(table.name(1).expect("a name").as_str(), "alpha");
    assert_eq!(table.name(7).expect("a name").as_str(), "weir::media::serve");
    for none in [0, 320, 4000, u32::MAX] {
        assert!(table.name(none).is_none(), "{none}");
    }
}

#[test]
fn a_broken_file_is_refused_or_names_nothing() {
    let good = image();
    for end in 0..good.len() {
        read(good[..end].to_vec());
    }
    // Each byte of what is read in turn, with the values that tell most.
    for at in 0..good.len() {
        for value in [0, 1, 0x7f, 0xff] {
            let mut bad = good.clone();
            bad[at] = value;
            read(bad);
        }
    }
    let mut stripped = good;
    put(&mut stripped, 128 + SECTION_BYTES + 4, 3, 4);
    assert_eq!(Symbols::of(stripped).expect_err("none").to_string(), "no symbol table");
}

fn read(image: Vec<u8>) {
    let Ok(table) = Symbols::of(image) else { return };
    let tree = Box::new(CallTree::new());
    tree.add(&[0x100, 0x200], 1);
    let _ = table.resolve(&tree);
    for (_, symbol) in symbols(&tree) {
        let _ = table.name(symbol);
    }
}

#[test]
fn this_test_program_names_its_functions() {
    unsafe extern "C" {
        static __executable_start: u8;
    }
    let start = (&raw const __executable_start).addr();
    let offset = a_function_to_be_found as *const () as usize - start;
    let tree = Box::new(CallTree::new());
    tree.add(&[u32::try_from(offset + 1).expect("a small program")], 1);
    let table = Symbols::of_this_program().expect("not stripped");
    table.resolve(&tree).expect("it is read");
    let name = table.name(symbols(&tree)[0].1).expect("a name");
    assert!(name.as_str().ends_with("symbols::tests::a_function_to_be_found"), "{name:?}");
}
