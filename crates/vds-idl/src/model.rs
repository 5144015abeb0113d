//! The description as values: what the parser makes and the generators read.

use crate::check;
use crate::error::IdlError;
use std::collections::BTreeMap;
use std::fmt;

/// All files together, checked.
#[derive(Debug, Clone)]
pub struct Description {
    files: Vec<File>,
    /// The number behind every constant and enumerator.
    numbers: BTreeMap<String, u64>,
    /// Where every declared type is: its file and its item.
    types: BTreeMap<String, (usize, usize)>,
}

impl Description {
    /// Puts files together.
    ///
    /// # Errors
    /// When a name is used and not declared or declared twice, and whatever else [`crate::Problem`] lists.
    pub fn new(files: Vec<File>) -> Result<Self, IdlError> {
        let (numbers, types) = check::names(&files)?;
        let description = Self { files, numbers, types };
        check::uses(&description)?;
        Ok(description)
    }

    /// Its files, in order.
    pub fn files(&self) -> &[File] {
        &self.files
    }

    /// Every item, in order.
    pub fn items(&self) -> impl Iterator<Item = &Item> {
        self.files.iter().flat_map(|file| file.items.iter().map(|(item, _)| item))
    }

    /// Every interface, in order.
    pub fn interfaces(&self) -> impl Iterator<Item = &Interface> {
        self.items().filter_map(|item| match item {
            Item::Interface(interface) => Some(interface),
            _ => None,
        })
    }

    /// Every structure, in order.
    pub fn structures(&self) -> impl Iterator<Item = &Structure> {
        self.items().filter_map(|item| match item {
            Item::Structure(structure) => Some(structure),
            _ => None,
        })
    }

    /// Every enumeration, in order.
    pub fn enumerations(&self) -> impl Iterator<Item = &Enumeration> {
        self.items().filter_map(|item| match item {
            Item::Enumeration(enumeration) => Some(enumeration),
            _ => None,
        })
    }

    /// Every constant, in order.
    pub fn constants(&self) -> impl Iterator<Item = &Constant> {
        self.items().filter_map(|item| match item {
            Item::Constant(constant) => Some(constant),
            _ => None,
        })
    }

    /// The declaration of a type, if it is not a primitive one.
    pub fn declared(&self, name: &str) -> Option<&Item> {
        let (file, item) = *self.types.get(name)?;
        Some(&self.files.get(file)?.items.get(item)?.0)
    }

    /// Whether the name is an interface's, `IUnknown` included.
    pub fn is_interface(&self, name: &str) -> bool {
        name == "IUnknown" || matches!(self.declared(name), Some(Item::Interface(_)))
    }

    /// The number behind a constant or an enumerator.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.numbers.get(name).copied()
    }

    /// What a length or a bound comes to: numbers and names, added and subtracted.
    pub fn evaluate(&self, terms: &[Term]) -> Option<u64> {
        let mut sum = 0_u64;
        for term in terms {
            let value = match parse_number(&term.word) {
                Some(value) => value,
                None => self.number(&term.word)?,
            };
            sum = if term.is_minus { sum.checked_sub(value)? } else { sum.checked_add(value)? };
        }
        Some(sum)
    }
}

/// One file of the description.
#[derive(Debug, Clone)]
pub struct File {
    /// Its name, without `.idl`.
    pub name: String,
    /// Its first comment: what it is about.
    pub purpose: String,
    /// What it declares, each with its line.
    pub items: Vec<(Item, usize)>,
}

/// One declaration.
#[derive(Debug, Clone)]
pub enum Item {
    /// A named number or GUID.
    Constant(Constant),
    /// Another name of a type.
    Alias(Alias),
    /// An enumeration.
    Enumeration(Enumeration),
    /// A structure.
    Structure(Structure),
    /// An interface.
    Interface(Interface),
}

impl Item {
    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Self::Constant(constant) => &constant.name,
            Self::Alias(alias) => &alias.name,
            Self::Enumeration(enumeration) => &enumeration.name,
            Self::Structure(structure) => &structure.name,
            Self::Interface(interface) => &interface.name,
        }
    }
}

/// A named value.
#[derive(Debug, Clone)]
pub struct Constant {
    /// Its name.
    pub name: String,
    /// The name of its type: `ULONG`, `ULONGLONG`, `HRESULT`, `CLSID`.
    pub type_name: String,
    /// The value.
    pub value: Value,
}

/// What a constant stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// A number.
    Number(u64),
    /// An identity.
    Guid(Guid),
}

/// Another name of a type.
#[derive(Debug, Clone)]
pub struct Alias {
    /// The new name.
    pub name: String,
    /// The type's own name.
    pub target: String,
}

/// An open enumeration: a peer may send other values.
#[derive(Debug, Clone)]
pub struct Enumeration {
    /// Its name.
    pub name: String,
    /// Whether its values are bits to be combined.
    pub is_flags: bool,
    /// Names and values, as declared.
    pub values: Vec<(String, u32)>,
}

/// A structure, packed to 8 bytes.
#[derive(Debug, Clone)]
pub struct Structure {
    /// Its name.
    pub name: String,
    /// Fields and unions, as declared.
    pub members: Vec<Member>,
}

/// A member of a structure.
#[derive(Debug, Clone)]
pub enum Member {
    /// A field.
    Field(Field),
    /// A union without a name, chosen by a field before it.
    Union(Union),
}

/// A field.
#[derive(Debug, Clone)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: Type,
    /// For an array within the structure: the number of elements, as written.
    pub elements: Option<Vec<Term>>,
    /// For a pointer to several: the field that counts them.
    pub size_is: Option<String>,
}

/// A union whose arm is chosen by a field.
#[derive(Debug, Clone)]
pub struct Union {
    /// The field that chooses.
    pub switch_is: String,
    /// The arms, as declared.
    pub arms: Vec<Arm>,
}

/// One arm of a union.
#[derive(Debug, Clone)]
pub struct Arm {
    /// The enumerators that choose it.
    pub cases: Vec<String>,
    /// What it holds.
    pub body: ArmBody,
}

/// What an arm holds.
#[derive(Debug, Clone)]
pub enum ArmBody {
    /// One field.
    Field(Field),
    /// Several, under one name.
    Structure {
        /// The name.
        name: String,
        /// The fields.
        fields: Vec<Field>,
    },
}

impl ArmBody {
    /// The name by which the arm is reached.
    pub fn name(&self) -> &str {
        match self {
            Self::Field(field) => &field.name,
            Self::Structure { name, .. } => name,
        }
    }
}

/// An interface; every one derives from `IUnknown` directly.
#[derive(Debug, Clone)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Its identity.
    pub uuid: Guid,
    /// The version of VDS that brought it.
    pub version: String,
    /// What a method answers that an object does not implement.
    pub unserved: String,
    /// Its methods in the order of slots, from slot 3.
    pub methods: Vec<Method>,
}

/// One method; every one returns an `HRESULT`.
#[derive(Debug, Clone)]
pub struct Method {
    /// Its name.
    pub name: String,
    /// For an asynchronous one: the kind of output its `IVdsAsync` reports.
    pub output: Option<String>,
    /// Its parameters, as declared.
    pub parameters: Vec<Parameter>,
}

/// One parameter.
#[derive(Debug, Clone)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: Type,
    /// Which way it goes.
    pub direction: Direction,
    /// Whether the pointer may be NULL.
    pub is_optional: bool,
    /// For a pointer to several: what counts them.
    pub size_is: Option<Length>,
    /// For a number: the least and the greatest that is allowed.
    pub range: Option<(u64, u64)>,
    /// For a text: the greatest index at which its terminator may stand.
    pub max_is: Option<Vec<Term>>,
}

/// Which way a parameter goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the caller.
    In,
    /// To the caller.
    Out,
    /// Both.
    InOut,
}

/// The length of an array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Length {
    /// A parameter that is a number.
    Parameter(String),
    /// A parameter that points to a number: the callee counts.
    Pointer(String),
}

/// A type as it is used: a name and the pointers to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Type {
    /// The name.
    pub name: String,
    /// How many `*` follow it.
    pub pointers: usize,
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.name, "*".repeat(self.pointers))
    }
}

/// A number or a name in a sum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// The number or the name, as written.
    pub word: String,
    /// Whether it is subtracted.
    pub is_minus: bool,
}

/// A GUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Guid {
    /// The first eight digits.
    pub data1: u32,
    /// The next four.
    pub data2: u16,
    /// The next four.
    pub data3: u16,
    /// The rest.
    pub data4: [u8; 8],
}

impl Guid {
    /// Reads `8-4-4-4-12` hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('-').collect();
        let [first, second, third, fourth, fifth] = parts[..] else { return None };
        let lengths = [first, second, third, fourth, fifth].map(str::len);
        if lengths != [8, 4, 4, 4, 12] {
            return None;
        }
        let head = u16::from_str_radix(fourth, 16).ok()?;
        let tail = u64::from_str_radix(fifth, 16).ok()?;
        let mut data4 = [0_u8; 8];
        data4[..2].copy_from_slice(&head.to_be_bytes());
        data4[2..].copy_from_slice(&tail.to_be_bytes()[2..]);
        Some(Self {
            data1: u32::from_str_radix(first, 16).ok()?,
            data2: u16::from_str_radix(second, 16).ok()?,
            data3: u16::from_str_radix(third, 16).ok()?,
            data4,
        })
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}-{:04x}-{:04x}-", self.data1, self.data2, self.data3)?;
        write!(f, "{:02x}{:02x}-", self.data4[0], self.data4[1])?;
        self.data4[2..].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A decimal or `0x` number.
pub(crate) fn parse_number(word: &str) -> Option<u64> {
    match word.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => word.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guid_survives_a_round_trip() {
        let text = "9c38ed61-d565-4728-aeee-c80952f0ecde";
        let guid = Guid::parse(text).unwrap();
        assert_eq!(guid.to_string(), text);
        assert_eq!(guid.data4, [0xae, 0xee, 0xc8, 0x09, 0x52, 0xf0, 0xec, 0xde]);
        assert_eq!(Guid::parse("9c38ed61-d565-4728-aeee"), None);
        assert_eq!(Guid::parse("9c38ed61-d565-4728-aeec-80952f0ecde0a"), None);
    }
}
