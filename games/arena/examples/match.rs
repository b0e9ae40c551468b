//! Plays a seeded match of bots in this process, tells it as a transcript and draws it from above.
//!
//! ```text
//! cargo run -p tickring-arena --example match -- [PICTURE.svg [SEED [PLAYERS [SECONDS]]]]
//! ```
#![expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use std::error::Error;
use std::fmt::Write as _;

use glam::Vec3;
use tickring_arena::map::{Map, PickUpKind};
use tickring_arena::{ArenaEvent, EntityKind, Settings, ShotAudit, Skirmish, Weapon};
use tickring_room::{EntityId, RoomConfig, Tick, To};

const TICK_HZ: u32 = 60;
/// The picture shows the match's last seconds: more would be a tangle.
const DRAWN_SECONDS: u32 = 8;
const TRAIL_EVERY_TICKS: u32 = 6;
/// How far the bots are away: 3 ticks each way are a round trip of 100 ms.
const LATENCY_TICKS: u32 = 3;
/// Walls lower than this are cover to shoot over.
const LOW: f32 = 1.5;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let picture = arguments.next().unwrap_or_else(|| "arena-match.svg".to_owned());
    let seed = arguments.next().map_or(Ok(7), |text| text.parse())?;
    let players: u16 = arguments.next().map_or(Ok(16), |text| text.parse())?;
    let seconds: u32 = arguments.next().map_or(Ok(60), |text| text.parse())?;

    let config = RoomConfig { players_max: players, seed, ..RoomConfig::with_rates(60, 30) };
    let mut skirmish = Skirmish::new(config, Settings::default(), players, LATENCY_TICKS)?;
    let mut drawing = Drawing::default();
    let last = Tick(seconds * TICK_HZ);
    for _ in 0..last.0 {
        let mut events = Vec::new();
        skirmish.tick(&mut |tick, to, event| events.push((tick, to, *event)));
        let drawn = last.since(skirmish.room().tick()) < (DRAWN_SECONDS * TICK_HZ).cast_signed();
        for (tick, to, event) in &events {
            tell(*tick, *to, event, &skirmish);
            if drawn {
                drawing.note(*to, event, &skirmish);
            }
        }
        if drawn {
            drawing.follow(&skirmish);
        }
    }
    let scores = scores(&skirmish);
    println!("\n{:>6} {:>6} {:>6}", "player", "kills", "deaths");
    for (id, kills, deaths) in &scores {
        println!("{:>6} {kills:>6} {deaths:>6}", id.0);
    }
    println!("\n{:#?}", skirmish.tally());
    std::fs::write(&picture, drawing.finish(&skirmish, &scores)?)?;
    println!("drawn: {picture}");
    Ok(())
}

/// One line for what is worth telling.
fn tell(tick: Tick, to: To, event: &ArenaEvent, skirmish: &Skirmish) {
    let seconds = f64::from(tick.0) / f64::from(TICK_HZ);
    let clock = format!("{:02}:{:05.2}", (seconds / 60.0).floor(), seconds % 60.0);
    match *event {
        ArenaEvent::Kill { attacker, victim, .. } if attacker == victim => {
            println!("{clock}  {:>3} blew itself up", victim.0);
        }
        ArenaEvent::Kill { attacker, victim, weapon } => {
            let with = if weapon == Weapon::Rifle { "shot" } else { "blew up" };
            let distance = place(skirmish, attacker).distance(place(skirmish, victim));
            println!("{clock}  {:>3} {with} {} from {distance:.1} m", attacker.0, victim.0);
        }
        ArenaEvent::PickedUp { kind, .. } => {
            let what = if kind == PickUpKind::Health { "health" } else { "ammunition" };
            if let To::Player(player) = to {
                println!("{clock}  {:>3} took {what}", skirmish.entity_of(player).0);
            }
        }
        ArenaEvent::Shot(_) | ArenaEvent::Hit { .. } | ArenaEvent::Respawn { .. } => {}
    }
}

fn place(skirmish: &Skirmish, id: EntityId) -> Vec3 {
    skirmish.room().world().get(id).map_or(Vec3::ZERO, |entity| entity.position)
}

/// Players with kills and deaths, the best first.
fn scores(skirmish: &Skirmish) -> Vec<(EntityId, u16, u16)> {
    let world = skirmish.room().world();
    let soldiers = world.iter().filter(|(_, entity)| entity.kind == EntityKind::Soldier);
    let mut scores: Vec<_> = soldiers.map(|(id, entity)| (id, entity.kills, entity.deaths)).collect();
    scores.sort_by_key(|(id, kills, deaths)| (std::cmp::Reverse(*kills), *deaths, *id));
    scores
}

/// What was noted for the picture. Lengths in the picture are decimetres.
#[derive(Default)]
struct Drawing {
    /// By entity id: pieces of way, with the epoch each belongs to.
    trails: Vec<Vec<(u8, Vec<Vec3>)>>,
    hits: Vec<(Vec3, Vec3)>,
    misses: Vec<(Vec3, Vec3)>,
    deaths: Vec<Vec3>,
    rockets: Vec<Vec3>,
}

impl Drawing {
    fn note(&mut self, to: To, event: &ArenaEvent, skirmish: &Skirmish) {
        match *event {
            ArenaEvent::Shot(ShotAudit { target, distance_cm, .. }) => {
                let To::Player(player) = to else { return };
                let shooter = skirmish.entity_of(player);
                let Some(seen) = skirmish.room().world().get(shooter) else { return };
                let line =
                    (seen.position, seen.position + seen.yaw.forward() * (f32::from(distance_cm) / 100.0));
                if target.is_some() { self.hits.push(line) } else { self.misses.push(line) }
            }
            ArenaEvent::Kill { victim, .. } => self.deaths.push(place(skirmish, victim)),
            ArenaEvent::Hit { .. } | ArenaEvent::Respawn { .. } | ArenaEvent::PickedUp { .. } => {}
        }
    }

    fn follow(&mut self, skirmish: &Skirmish) {
        let tick = skirmish.room().tick();
        for (id, entity) in skirmish.room().world().iter() {
            let at = usize::from(id.0);
            match entity.kind {
                EntityKind::Soldier if entity.present() && tick.0.is_multiple_of(TRAIL_EVERY_TICKS) => {
                    self.trails.resize_with(self.trails.len().max(at + 1), Vec::new);
                    match self.trails[at].last_mut() {
                        Some((epoch, way)) if *epoch == entity.epoch => way.push(entity.position),
                        _ => self.trails[at].push((entity.epoch, vec![entity.position])),
                    }
                }
                EntityKind::Rocket if tick.0.is_multiple_of(3) => self.rockets.push(entity.position),
                EntityKind::Soldier | EntityKind::Rocket | EntityKind::PickUp(_) => {}
            }
        }
    }

    fn finish(
        &self,
        skirmish: &Skirmish,
        scores: &[(EntityId, u16, u16)],
    ) -> Result<String, std::fmt::Error> {
        let map = skirmish.room().game().map();
        let (side, edge) = (decimetres(map.side()), decimetres(map.side() * -0.5) - 10);
        let (width, height) = (side + 150, side + 20);
        let mut svg = String::new();
        writeln!(
            svg,
            "<svg xmlns='http://www.w3.org/2000/svg' viewBox='{edge} {edge} {width} {height}' \
             width='{}' height='{}' font-family='sans-serif'>",
            width * 2,
            height * 2
        )?;
        writeln!(svg, "<rect x='{edge}' y='{edge}' width='{width}' height='{height}' fill='#10151c'/>")?;
        draw_map(map, &mut svg)?;
        self.draw_shots(&mut svg)?;
        self.draw_trails(&mut svg)?;
        draw_present(skirmish, &mut svg)?;
        draw_scores(scores, side / 2 + 18, edge + 14, &mut svg)?;
        draw_legend(side / 2 + 18, edge + height - 8, &mut svg)?;
        svg.push_str("</svg>\n");
        Ok(svg)
    }

    fn draw_shots(&self, svg: &mut String) -> std::fmt::Result {
        for (lines, style) in
            [(&self.misses, "#8fa3b8' stroke-opacity='.16"), (&self.hits, "#ffb454' stroke-opacity='.35")]
        {
            let mut path = String::new();
            for (from, to) in lines {
                write!(path, "M{} {}L{} {}", x(*from), z(*from), x(*to), z(*to))?;
            }
            writeln!(svg, "<path d='{path}' stroke='{style}' stroke-width='.5' fill='none'/>")?;
        }
        for at in &self.rockets {
            write!(svg, "<circle cx='{}' cy='{}' r='1' fill='#ff6b6b'/>", x(*at), z(*at))?;
        }
        svg.push('\n');
        Ok(())
    }

    fn draw_trails(&self, svg: &mut String) -> std::fmt::Result {
        for (id, pieces) in self.trails.iter().enumerate() {
            let mut path = String::new();
            for (_, way) in pieces {
                for (number, at) in way.iter().enumerate() {
                    write!(path, "{}{} {}", if number == 0 { "M" } else { "L" }, x(*at), z(*at))?;
                }
            }
            let colour = colour(id);
            writeln!(
                svg,
                "<path d='{path}' stroke='{colour}' stroke-opacity='.65' stroke-width='1.2' fill='none' \
                 stroke-linejoin='round'/>"
            )?;
        }
        for at in &self.deaths {
            let (x, z) = (x(*at), z(*at));
            write!(svg, "<path d='M{} {}l6 6m-6 0l6-6' stroke='#ff4d4d' stroke-width='1.4'/>", x - 3, z - 3)?;
        }
        svg.push('\n');
        Ok(())
    }
}

fn draw_map(map: &Map, svg: &mut String) -> std::fmt::Result {
    for wall in map.walls() {
        let (low, size) = (wall.low(), wall.high() - wall.low());
        let fill = if wall.high().y < LOW { "#33404f" } else { "#5c6f86" };
        let (width, height) = (decimetres(size.x), decimetres(size.z));
        write!(svg, "<rect x='{}' y='{}' width='{width}' height='{height}' fill='{fill}'/>", x(low), z(low))?;
    }
    svg.push('\n');
    Ok(())
}

fn draw_present(skirmish: &Skirmish, svg: &mut String) -> std::fmt::Result {
    for (id, entity) in skirmish.room().world().iter() {
        let (x, z) = (x(entity.position), z(entity.position));
        match entity.kind {
            EntityKind::PickUp(kind) => {
                let fill = if kind == PickUpKind::Health { "#5fd38d" } else { "#e6c34a" };
                let opacity = if entity.present() { "1" } else { ".3" };
                write!(
                    svg,
                    "<rect x='{}' y='{}' width='6' height='6' rx='1' fill='{fill}' opacity='{opacity}'/>",
                    x - 3,
                    z - 3
                )?;
            }
            EntityKind::Soldier if entity.present() => {
                let nose = entity.yaw.forward() * 0.9;
                let colour = colour(usize::from(id.0));
                write!(
                    svg,
                    "<path d='M{x} {z}l{} {}' stroke='{colour}' stroke-width='1.6'/>\
                     <circle cx='{x}' cy='{z}' r='4.5' fill='{colour}'/>\
                     <text x='{x}' y='{}' font-size='5.4' text-anchor='middle' fill='#10151c'>{}</text>",
                    decimetres(nose.x),
                    decimetres(nose.z),
                    z + 2,
                    id.0
                )?;
            }
            EntityKind::Soldier | EntityKind::Rocket => {}
        }
    }
    svg.push('\n');
    Ok(())
}

fn draw_scores(scores: &[(EntityId, u16, u16)], left: i32, top: i32, svg: &mut String) -> std::fmt::Result {
    let line = |number: usize| top + i32::try_from(number).map_or(0, |number| number * 11);
    writeln!(
        svg,
        "<text x='{left}' y='{top}' font-size='8' fill='#c8d3df'>player</text>\
         <text x='{}' y='{top}' font-size='8' fill='#c8d3df'>kills</text>\
         <text x='{}' y='{top}' font-size='8' fill='#c8d3df'>deaths</text>",
        left + 45,
        left + 80
    )?;
    for (number, (id, kills, deaths)) in scores.iter().take(24).enumerate() {
        let (y, colour) = (line(number + 1), colour(usize::from(id.0)));
        writeln!(
            svg,
            "<circle cx='{}' cy='{}' r='3.4' fill='{colour}'/>\
             <text font-size='8' fill='#c8d3df'><tspan x='{}' y='{y}'>{}</tspan>\
             <tspan x='{}' y='{y}'>{kills}</tspan><tspan x='{}' y='{y}'>{deaths}</tspan></text>",
            left + 4,
            y - 3,
            left + 12,
            id.0,
            left + 45,
            left + 80
        )?;
    }
    Ok(())
}

/// What the signs mean, from the bottom up.
fn draw_legend(left: i32, bottom: i32, svg: &mut String) -> std::fmt::Result {
    let signs = [
        ("#5c6f86", "wall"),
        ("#33404f", "low cover: shots pass over"),
        ("#5fd38d", "health (pale: taken)"),
        ("#e6c34a", "ammunition (pale: taken)"),
        ("#ffb454", "rifle shot that hit"),
        ("#8fa3b8", "rifle shot that missed"),
        ("#ff6b6b", "rocket (dots), death (cross)"),
    ];
    for (number, (colour, meaning)) in (0..).zip(signs.iter().rev()) {
        let y = bottom - number * 10;
        writeln!(
            svg,
            "<rect x='{left}' y='{}' width='6' height='6' fill='{colour}'/>\
             <text x='{}' y='{y}' font-size='7.4' fill='#c8d3df'>{meaning}</text>",
            y - 6,
            left + 10
        )?;
    }
    Ok(())
}

/// Neighbouring numbers get far colours: the golden angle on the colour wheel.
fn colour(number: usize) -> String {
    format!("hsl({} 75% 65%)", number * 137 % 360)
}

fn x(at: Vec3) -> i32 {
    decimetres(at.x)
}

fn z(at: Vec3) -> i32 {
    decimetres(at.z)
}

fn decimetres(metres: f32) -> i32 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a field is at most 320 m wide, and a float cast saturates"
    )]
    let decimetres = (metres * 10.0).round() as i32;
    decimetres
}
