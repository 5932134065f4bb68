//! Signalling under random offers, checks, evictions, restarts, reloads and ends, with a turned
//! clock, against a model that knows the rules in another form.

mod browser;
mod checks;
mod model;
mod seen;
mod world;
mod year;

use seen::Seen;
use world::World;

const STEPS: u64 = 10_000;

/// How many seeds: 100, or as many as `WEIR_SIMULATION_SEEDS` says, as on an emulated CPU.
fn seeds() -> u64 {
    const ALL: u64 = 100;
    let asked = std::env::var("WEIR_SIMULATION_SEEDS");
    asked.map_or(ALL, |number| number.parse().expect("a number of seeds"))
}

/// Mostly few clients in a table that never fills, in every tenth seed a crowd that fills it.
fn clients(seed: u64) -> usize {
    match seed % 10 {
        0 => 60,
        1..4 => 3,
        4..7 => 8,
        _ => 16,
    }
}

fn run(seeds: impl Iterator<Item = u64>) -> Seen {
    let mut seen = Seen::default();
    for seed in seeds {
        let mut world = World::new(seed, clients(seed));
        (0..STEPS).for_each(|_| world.step());
        seen.add(&world.seen);
    }
    seen
}

#[test]
fn random_steps_of_many_seeds_keep_the_rules() {
    let mut seen = Seen::default();
    std::thread::scope(|scope| {
        let halves = [0, 1].map(|half| {
            scope.spawn(move || run((1..=seeds()).filter(|seed| seed / 10 % 2 == half)))
        });
        for half in halves {
            seen.add(&half.join().expect("a seed that breaks a rule says which"));
        }
    });
    // A simulation in which something never happens says nothing of it.
    assert!(seeds() < 100 || seen.rarest() > 20, "{seen:?}");
}
