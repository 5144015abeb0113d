//! Interfaces, their methods and the parameters' attributes.

use super::{Attribute, Parser, UNSERVED};
use crate::error::{IdlError, Problem};
use crate::model::{Direction, Interface, Length, Method, Parameter};
use crate::token::Token;

impl Parser<'_> {
    /// Behind the word `interface`.
    pub(super) fn interface(&mut self, attributes: &[Attribute]) -> Result<Interface, IdlError> {
        let mut uuid = None;
        let mut version = None;
        let mut unserved = UNSERVED.to_owned();
        for attribute in attributes {
            match attribute.name.as_str() {
                "uuid" => uuid = Some(self.guid(&self.argument(attribute)?)?),
                "version_of_vds" => version = Some(self.argument(attribute)?),
                "unserved" => unserved = self.argument(attribute)?,
                _ => return Err(self.unknown_attribute(attribute)),
            }
        }
        let name = self.word("a name")?;
        let uuid = uuid.ok_or_else(|| self.unexpected_before("[uuid(...)]", &name))?;
        let version =
            version.ok_or_else(|| self.unexpected_before("[version_of_vds(...)]", &name))?;
        self.sign(':')?;
        self.keyword("IUnknown")?;
        self.sign('{')?;
        let mut methods = Vec::new();
        while !self.accept('}') {
            methods.push(self.method()?);
        }
        self.sign(';')?;
        Ok(Interface { name, uuid, version, unserved, methods })
    }

    fn method(&mut self) -> Result<Method, IdlError> {
        let mut output = None;
        for attribute in self.attributes()? {
            if attribute.name != "async" {
                return Err(self.unknown_attribute(&attribute));
            }
            output = Some(self.argument(&attribute)?);
        }
        self.keyword("HRESULT")?;
        let name = self.word("a method's name")?;
        self.sign('(')?;
        let mut parameters = Vec::new();
        if !self.accept(')') {
            loop {
                parameters.push(self.parameter()?);
                if self.accept(')') {
                    break;
                }
                self.sign(',')?;
            }
        }
        self.sign(';')?;
        Ok(Method { name, output, parameters })
    }

    fn parameter(&mut self) -> Result<Parameter, IdlError> {
        let attributes = self.attributes()?;
        let (mut is_in, mut is_out, mut is_optional) = (false, false, false);
        let (mut size_is, mut range, mut max_is) = (None, None, None);
        for attribute in &attributes {
            match attribute.name.as_str() {
                "in" => is_in = true,
                "out" => is_out = true,
                "optional" => is_optional = true,
                "size_is" => size_is = Some(self.length(attribute)?),
                "range" => range = Some(self.range(attribute)?),
                "max_is" => max_is = Some(self.terms(&attribute.arguments.concat())?),
                _ => return Err(self.unknown_attribute(attribute)),
            }
        }
        let direction = match (is_in, is_out) {
            (true, false) => Direction::In,
            (false, true) => Direction::Out,
            (true, true) => Direction::InOut,
            (false, false) => return Err(self.unexpected("[in] or [out] before the parameter")),
        };
        let ty = self.used_type()?;
        let name = self.word("a parameter's name")?;
        Ok(Parameter { name, ty, direction, is_optional, size_is, range, max_is })
    }

    fn length(&self, attribute: &Attribute) -> Result<Length, IdlError> {
        match attribute.arguments.as_slice() {
            [tokens] => match tokens.as_slice() {
                [Token::Word(word)] => Ok(Length::Parameter(word.clone())),
                [Token::Sign('*'), Token::Word(word)] => Ok(Length::Pointer(word.clone())),
                _ => Err(self.no_length(attribute)),
            },
            _ => Err(self.no_length(attribute)),
        }
    }

    fn no_length(&self, attribute: &Attribute) -> IdlError {
        let expected = "a parameter, or `*` and a parameter".to_owned();
        self.at(attribute.line, Problem::Expected { expected, found: "something else".to_owned() })
    }

    fn range(&self, attribute: &Attribute) -> Result<(u64, u64), IdlError> {
        let numbers: Vec<u64> = attribute
            .arguments
            .iter()
            .filter_map(|argument| match argument.as_slice() {
                [Token::Word(word)] => self.number(word).ok(),
                _ => None,
            })
            .collect();
        match numbers[..] {
            [least, greatest] => Ok((least, greatest)),
            _ => Err(self.at(
                attribute.line,
                Problem::Expected {
                    expected: "two numbers in `range(...)`".to_owned(),
                    found: format!("{} of them", numbers.len()),
                },
            )),
        }
    }
}
