//! Debug information that the compiler has put into files of its own (split DWARF): the program has the addresses and the lines,
//! those have the functions. They are `.dwo` files, one for each object file, or one package of them next to the program.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use gimli::{
    AttributeValue, DebugAbbrev, DebugInfo, Dwarf, DwarfFileType, DwarfPackage, DwoId, EndianSlice,
    LittleEndian, Section as _, SectionId, UnitHeader, UnitType,
};
use probe_points::cache::Cache;
use probe_points::elf::Elf;
use probe_points::open::Root;

use crate::mapped::packed::{announced_bytes, section_bytes};
use crate::symbols::grant::Grant;
use crate::symbols::package::{Package, Unit};
use crate::symbols::vet::look_at_unit;

type Slice<'a> = EndianSlice<'a, LittleEndian>;

/// Of one program. Browsers have some 30,000.
const MOST_UNITS: usize = 1 << 16;

/// What a program says of a unit that is elsewhere.
struct Skeleton {
    id: u64,
    path: PathBuf,
}

/// The units that the program names, as far as they can be found and trusted; `None`: it names none.
/// `extract`: a copy of its debug information. Files are looked for below the process's root only: their names come from there.
pub fn package(
    extract: &File,
    program: &Path,
    root: &Root,
    most_bytes: u64,
    grant: &mut Grant,
) -> io::Result<Option<Package>> {
    let sections = Sections::read(extract, most_bytes, grant, |id| Some(id.name()))?;
    let dwarf = sections.dwarf();
    let skeletons = skeletons(&dwarf, grant);
    if skeletons.is_empty() {
        return Ok(None);
    }
    let mut package = Package::default();
    let mut together = program.as_os_str().to_owned();
    together.push(".dwp");
    let mut broken = None;
    if let Ok(file) = root.open_file(Path::new(&together)) {
        let sections = Sections::read(&file, most_bytes, grant, SectionId::dwo_name);
        let added = sections.and_then(|sections| {
            add_from_package(&mut package, &sections, &dwarf, &skeletons, grant)
        });
        if !package.is_empty() {
            return Ok(Some(package));
        }
        broken = added.err();
    }
    for Skeleton { id, path } in skeletons {
        let left = most_bytes.saturating_sub(package.bytes());
        if left == 0 || grant.is_over() {
            break;
        }
        // One that is gone or broken is missed by itself.
        if let Ok(file) = root.open_file(&path)
            && let Ok(sections) = Sections::read(&file, left, grant, SectionId::dwo_name)
        {
            let mut own = sections.dwarf();
            own.file_type = DwarfFileType::Dwo;
            let strings = package.add_strings(own.debug_str.reader().slice());
            strings.and_then(|strings| add(&mut package, &own, id, strings));
        }
    }
    match broken.filter(|_| package.is_empty()) {
        Some(why) => Err(why),
        None => Ok(Some(package)),
    }
}

fn skeletons(dwarf: &Dwarf<Slice<'_>>, grant: &mut Grant) -> Vec<Skeleton> {
    let mut found = Vec::new();
    let mut units = dwarf.units();
    while let Ok(Some(header)) = units.next() {
        if found.len() == MOST_UNITS || grant.is_over() {
            break;
        }
        let Ok(unit) = dwarf.unit(header) else {
            continue;
        };
        let (Some(DwoId(id)), Ok(Some(name))) = (unit.dwo_id, unit.dwo_name()) else {
            continue;
        };
        let Ok(name) = dwarf.attr_string(&unit, name) else {
            continue;
        };
        let folder = unit.comp_dir.map_or(&b"/"[..], |folder| folder.slice());
        let path = Path::new(OsStr::from_bytes(folder)).join(OsStr::from_bytes(name.slice()));
        found.push(Skeleton { id, path });
    }
    found
}

fn add_from_package(
    package: &mut Package,
    sections: &Sections,
    program: &Dwarf<Slice<'_>>,
    skeletons: &[Skeleton],
    grant: &mut Grant,
) -> io::Result<()> {
    let empty = EndianSlice::new(&[][..], LittleEndian);
    let load = |id| gimli::Result::Ok(sections.get(id));
    let whole = DwarfPackage::load(load, empty).map_err(io::Error::other)?;
    let Some(strings) = package.add_strings(whole.debug_str.reader().slice()) else {
        return Ok(());
    };
    for skeleton in skeletons {
        if grant.is_over() {
            break;
        }
        if let Ok(Some(unit)) = whole.find_cu(DwoId(skeleton.id), program) {
            add(package, &unit, skeleton.id, strings);
        }
    }
    Ok(())
}

/// The unit of that id, if it is there and can be trusted.
fn add(package: &mut Package, dwarf: &Dwarf<Slice<'_>>, id: u64, strings: u32) -> Option<()> {
    let info = dwarf.debug_info.reader().slice();
    let abbreviations = dwarf.debug_abbrev.reader().slice();
    let abbrev = DebugAbbrev::new(abbreviations, LittleEndian);
    let mut headers = DebugInfo::new(info, LittleEndian).units();
    while let Ok(Some(header)) = headers.next() {
        if unit_id(&header, &abbrev) != Some(id) {
            continue;
        }
        let begin = header.offset().to_debug_info_offset(&header)?.0;
        let unit = info.get(begin..)?.get(..header.length_including_self())?;
        // Its lists are in the package, which is read by nobody before it is made.
        let all = |_, _, _| Ok(true);
        if look_at_unit(unit, &abbrev, all).ok()?.is_hostile {
            return None;
        }
        let unit = Unit {
            id,
            version: header.version(),
            info: unit,
            abbreviations,
            string_offsets: dwarf.debug_str_offsets.reader().slice(),
            range_lists: dwarf.ranges.debug_rnglists().reader().slice(),
        };
        return package.add(&unit, strings);
    }
    None
}

/// Before DWARF 5 it is an attribute.
fn unit_id(header: &UnitHeader<Slice<'_>>, abbrev: &DebugAbbrev<Slice<'_>>) -> Option<u64> {
    match header.type_() {
        UnitType::SplitCompilation(DwoId(id)) => Some(id),
        UnitType::Compilation => {
            let abbreviations = header.abbreviations(abbrev).ok()?;
            let mut entries = header.entries(&abbreviations);
            entries.next_entry().ok()?;
            match entries.current()?.attr_value(gimli::DW_AT_GNU_dwo_id)? {
                AttributeValue::DwoId(DwoId(id)) => Some(id),
                _ => None,
            }
        }
        _ => None,
    }
}

/// A file's sections, unpacked.
struct Sections(Vec<(SectionId, Vec<u8>)>);

impl Sections {
    /// Those that functions and inlined calls are found by, and those that a package's index may have parts of.
    const WANTED: [SectionId; 16] = [
        SectionId::DebugInfo,
        SectionId::DebugAbbrev,
        SectionId::DebugStr,
        SectionId::DebugStrOffsets,
        SectionId::DebugLineStr,
        SectionId::DebugRanges,
        SectionId::DebugRngLists,
        SectionId::DebugAddr,
        SectionId::DebugCuIndex,
        SectionId::DebugTuIndex,
        SectionId::DebugLine,
        SectionId::DebugTypes,
        SectionId::DebugLoc,
        SectionId::DebugLocLists,
        SectionId::DebugMacinfo,
        SectionId::DebugMacro,
    ];

    fn read(
        file: &File,
        most_bytes: u64,
        grant: &mut Grant,
        name: impl Fn(SectionId) -> Option<&'static str>,
    ) -> io::Result<Self> {
        let data = Cache::new(file)?;
        let elf = Elf::parse(&data).map_err(io::Error::other)?;
        if !elf.is_64 || elf.endian != object::Endianness::Little {
            return Err(io::Error::other("not of 64 bits, little-endian"));
        }
        let mut left = most_bytes;
        let mut found = Vec::new();
        for id in Self::WANTED {
            let section = name(id).and_then(|name| elf.section(name.as_bytes()));
            if let Some(section) = section {
                grant.take(announced_bytes(file, section))?;
                let bytes = section_bytes(file, section, left)?;
                left -= bytes.len() as u64;
                found.push((id, bytes));
            }
        }
        Ok(Self(found))
    }

    fn get(&self, id: SectionId) -> Slice<'_> {
        let found = self.0.iter().find(|(other, _)| *other == id);
        EndianSlice::new(found.map_or(&[][..], |(_, bytes)| bytes), LittleEndian)
    }

    fn dwarf(&self) -> Dwarf<Slice<'_>> {
        let load = |id| Ok::<_, std::convert::Infallible>(self.get(id));
        Dwarf::load(load).unwrap_or_else(|never| match never {})
    }
}
