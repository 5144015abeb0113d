//! Tokens to declarations.
//!
//! ```text
//!  file       = { constant | alias | [attributes] enumeration | structure | attributes interface }
//!  constant   = const TYPE NAME = (NUMBER | GUID) ;
//!  alias      = typedef TYPE NAME ;
//!  structure  = typedef struct NAME { { field | [switch_is(F)] union { { [case(E, …)] arm } } ; } } NAME ;
//!  interface  = [uuid(GUID), version_of_vds(V), unserved(CODE)] interface NAME : IUnknown { { method } } ;
//!  method     = [async(OUTPUT)] HRESULT NAME ( [attributes] TYPE NAME, … ) ;
//! ```

mod interface;
mod structure;

use crate::error::{IdlError, Problem};
use crate::model::{
    Alias, Constant, Enumeration, File, Guid, Item, Term, Type, Value, parse_number,
};
use crate::token::{Placed, Token, tokens};

/// What a method answers that is not served, unless its interface says otherwise.
const UNSERVED: &str = "VDS_E_NOT_SUPPORTED";

/// Reads one file.
///
/// # Errors
/// At the first token that does not fit.
pub(crate) fn file(name: &str, text: &str) -> Result<File, IdlError> {
    let (purpose, tokens) = tokens(name, text)?;
    let mut parser = Parser { file: name, tokens: &tokens, at: 0 };
    let mut items = Vec::new();
    while *parser.peek() != Token::End {
        let line = parser.line();
        items.push((parser.item()?, line));
    }
    Ok(File { name: name.to_owned(), purpose, items })
}

/// An attribute: its name, and the words between its brackets by comma.
struct Attribute {
    name: String,
    arguments: Vec<Vec<Token>>,
    line: usize,
}

struct Parser<'a> {
    file: &'a str,
    tokens: &'a [Placed],
    at: usize,
}

impl Parser<'_> {
    fn item(&mut self) -> Result<Item, IdlError> {
        let attributes = self.attributes()?;
        match self.word("a declaration")?.as_str() {
            "const" => {
                self.no_attributes(&attributes)?;
                self.constant().map(Item::Constant)
            }
            "typedef" => self.type_definition(&attributes),
            "interface" => self.interface(&attributes).map(Item::Interface),
            other => Err(self.unexpected_before("const, typedef or interface", other)),
        }
    }

    fn constant(&mut self) -> Result<Constant, IdlError> {
        let type_name = self.word("a type")?;
        let name = self.word("a name")?;
        self.sign('=')?;
        let word = self.word("a value")?;
        let value = if word.contains('-') {
            Value::Guid(self.guid(&word)?)
        } else {
            Value::Number(self.number(&word)?)
        };
        self.sign(';')?;
        Ok(Constant { name, type_name, value })
    }

    fn type_definition(&mut self, attributes: &[Attribute]) -> Result<Item, IdlError> {
        match self.word("a type")?.as_str() {
            "enum" => self.enumeration(attributes).map(Item::Enumeration),
            "struct" => {
                self.no_attributes(attributes)?;
                self.structure().map(Item::Structure)
            }
            target => {
                self.no_attributes(attributes)?;
                let name = self.word("a name")?;
                self.sign(';')?;
                Ok(Item::Alias(Alias { name, target: target.to_owned() }))
            }
        }
    }

    fn enumeration(&mut self, attributes: &[Attribute]) -> Result<Enumeration, IdlError> {
        if let Some(unknown) = attributes.iter().find(|attribute| attribute.name != "flags") {
            return Err(self.unknown_attribute(unknown));
        }
        let is_flags = !attributes.is_empty();
        let name = self.word("a name")?;
        self.sign('{')?;
        let mut values = Vec::new();
        while !self.accept('}') {
            let value_name = self.word("an enumerator")?;
            self.sign('=')?;
            let word = self.word("a number")?;
            let number = self.number(&word)?;
            let number =
                u32::try_from(number).map_err(|_| self.problem(Problem::Number(word.clone())))?;
            values.push((value_name, number));
            if !self.accept(',') && *self.peek() != Token::Sign('}') {
                return Err(self.unexpected("`,` or `}`"));
            }
        }
        self.again(&name)?;
        Ok(Enumeration { name, is_flags, values })
    }

    /// The name once more, and the end of the definition.
    fn again(&mut self, name: &str) -> Result<(), IdlError> {
        let second = self.word("the name again")?;
        if second != name {
            return Err(self.unexpected_before(&format!("`{name}` again"), &second));
        }
        self.sign(';')
    }

    /// `[a, b(c), …]`, or nothing.
    fn attributes(&mut self) -> Result<Vec<Attribute>, IdlError> {
        let mut attributes = Vec::new();
        if !self.accept('[') {
            return Ok(attributes);
        }
        loop {
            let line = self.line();
            let name = self.word("an attribute")?;
            let mut arguments = Vec::new();
            if self.accept('(') {
                let mut argument = Vec::new();
                while !self.accept(')') {
                    if self.accept(',') {
                        arguments.push(std::mem::take(&mut argument));
                    } else if *self.peek() == Token::End {
                        return Err(self.unexpected("`)`"));
                    } else {
                        argument.push(self.next());
                    }
                }
                arguments.push(argument);
            }
            attributes.push(Attribute { name, arguments, line });
            if self.accept(']') {
                return Ok(attributes);
            }
            self.sign(',')?;
        }
    }

    fn no_attributes(&self, attributes: &[Attribute]) -> Result<(), IdlError> {
        attributes.first().map_or(Ok(()), |attribute| Err(self.unknown_attribute(attribute)))
    }

    /// A type without a name: `X`, `X*`, `X**`.
    fn used_type(&mut self) -> Result<Type, IdlError> {
        let name = self.word("a type")?;
        let mut pointers = 0;
        while self.accept('*') {
            pointers += 1;
        }
        Ok(Type { name, pointers })
    }

    fn number(&self, word: &str) -> Result<u64, IdlError> {
        parse_number(word).ok_or_else(|| self.problem(Problem::Number(word.to_owned())))
    }

    fn guid(&self, word: &str) -> Result<Guid, IdlError> {
        Guid::parse(word).ok_or_else(|| self.problem(Problem::Guid(word.to_owned())))
    }

    /// A sum of numbers and names.
    fn terms(&self, tokens: &[Token]) -> Result<Vec<Term>, IdlError> {
        let mut terms = Vec::new();
        let mut is_minus = false;
        let mut wants_word = true;
        for token in tokens {
            match token {
                Token::Word(word) if wants_word => {
                    terms.push(Term { word: word.clone(), is_minus });
                    wants_word = false;
                }
                Token::Sign(sign @ ('+' | '-')) if !wants_word => {
                    is_minus = *sign == '-';
                    wants_word = true;
                }
                other => return Err(self.unexpected_before("a sum", &other.to_string())),
            }
        }
        if wants_word { Err(self.unexpected_before("a sum", "nothing")) } else { Ok(terms) }
    }

    /// The one word that an attribute has as argument.
    fn argument(&self, attribute: &Attribute) -> Result<String, IdlError> {
        match attribute.arguments.as_slice() {
            [tokens] if matches!(tokens.as_slice(), [Token::Word(_)]) => {
                let Some(Token::Word(word)) = tokens.first() else { unreachable!("matched above") };
                Ok(word.clone())
            }
            _ => Err(self.at(
                attribute.line,
                Problem::Expected {
                    expected: format!("one word in `{}(...)`", attribute.name),
                    found: format!("{} of them", attribute.arguments.len()),
                },
            )),
        }
    }

    fn peek(&self) -> &Token {
        &self.tokens[self.at].0
    }

    fn line(&self) -> usize {
        self.tokens[self.at].1
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        // The last is the end, and stays.
        self.at = (self.at + 1).min(self.tokens.len() - 1);
        token
    }

    fn accept(&mut self, sign: char) -> bool {
        let fits = *self.peek() == Token::Sign(sign);
        if fits {
            self.next();
        }
        fits
    }

    fn sign(&mut self, sign: char) -> Result<(), IdlError> {
        if self.accept(sign) { Ok(()) } else { Err(self.unexpected(&format!("`{sign}`"))) }
    }

    fn word(&mut self, expected: &str) -> Result<String, IdlError> {
        if !matches!(self.peek(), Token::Word(_)) {
            return Err(self.unexpected(expected));
        }
        let Token::Word(word) = self.next() else { unreachable!("looked at above") };
        Ok(word)
    }

    fn keyword(&mut self, keyword: &str) -> Result<(), IdlError> {
        let word = self.word(&format!("`{keyword}`"))?;
        if word == keyword {
            return Ok(());
        }
        Err(self.unexpected_before(&format!("`{keyword}`"), &word))
    }

    fn unexpected(&self, expected: &str) -> IdlError {
        let found = self.peek().to_string();
        self.problem(Problem::Expected { expected: expected.to_owned(), found })
    }

    /// For a word that is taken already.
    fn unexpected_before(&self, expected: &str, found: &str) -> IdlError {
        let line = self.tokens[self.at.saturating_sub(1)].1;
        self.at(line, Problem::Expected { expected: expected.to_owned(), found: found.to_owned() })
    }

    fn unknown_attribute(&self, attribute: &Attribute) -> IdlError {
        self.at(attribute.line, Problem::Attribute(attribute.name.clone()))
    }

    fn problem(&self, problem: Problem) -> IdlError {
        self.at(self.line(), problem)
    }

    fn at(&self, line: usize, problem: Problem) -> IdlError {
        IdlError { file: self.file.to_owned(), line, problem }
    }
}

#[cfg(test)]
mod tests;
