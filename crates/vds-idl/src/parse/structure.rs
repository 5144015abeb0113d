//! Structures, their fields and their unions.

use super::Parser;
use crate::error::{IdlError, Problem};
use crate::model::{Arm, ArmBody, Field, Member, Structure, Type, Union};
use crate::token::Token;

impl Parser<'_> {
    /// Behind `typedef struct`.
    pub(super) fn structure(&mut self) -> Result<Structure, IdlError> {
        let name = self.word("a name")?;
        self.sign('{')?;
        let mut members = Vec::new();
        while !self.accept('}') {
            members.push(self.member()?);
        }
        self.again(&name)?;
        Ok(Structure { name, members })
    }

    fn member(&mut self) -> Result<Member, IdlError> {
        let attributes = self.attributes()?;
        let ty = self.used_type()?;
        if ty.name == "union" && ty.pointers == 0 {
            let [attribute] = attributes.as_slice() else {
                return Err(self.unexpected("[switch_is(...)] before the union"));
            };
            if attribute.name != "switch_is" {
                return Err(self.unknown_attribute(attribute));
            }
            let switch_is = self.argument(attribute)?;
            return self.union(switch_is).map(Member::Union);
        }
        let mut size_is = None;
        for attribute in &attributes {
            if attribute.name != "size_is" {
                return Err(self.unknown_attribute(attribute));
            }
            size_is = Some(self.argument(attribute)?);
        }
        self.field(ty, size_is).map(Member::Field)
    }

    fn union(&mut self, switch_is: String) -> Result<Union, IdlError> {
        self.sign('{')?;
        let mut arms = Vec::new();
        while !self.accept('}') {
            let cases = self.cases()?;
            let ty = self.used_type()?;
            let body = if ty.name == "struct" && ty.pointers == 0 {
                self.arm_structure()?
            } else {
                ArmBody::Field(self.field(ty, None)?)
            };
            arms.push(Arm { cases, body });
        }
        self.sign(';')?;
        Ok(Union { switch_is, arms })
    }

    fn cases(&mut self) -> Result<Vec<String>, IdlError> {
        let attributes = self.attributes()?;
        let [attribute] = attributes.as_slice() else {
            return Err(self.unexpected("[case(...)] before the arm"));
        };
        if attribute.name != "case" {
            return Err(self.unknown_attribute(attribute));
        }
        let mut cases = Vec::new();
        for argument in &attribute.arguments {
            let [Token::Word(case)] = argument.as_slice() else {
                let expected = "an enumerator for each case".to_owned();
                let found = "something else".to_owned();
                return Err(self.at(attribute.line, Problem::Expected { expected, found }));
            };
            cases.push(case.clone());
        }
        Ok(cases)
    }

    fn arm_structure(&mut self) -> Result<ArmBody, IdlError> {
        self.sign('{')?;
        let mut fields = Vec::new();
        while !self.accept('}') {
            let ty = self.used_type()?;
            fields.push(self.field(ty, None)?);
        }
        let name = self.word("the arm's name")?;
        self.sign(';')?;
        Ok(ArmBody::Structure { name, fields })
    }

    /// Behind a field's type.
    fn field(&mut self, ty: Type, size_is: Option<String>) -> Result<Field, IdlError> {
        let name = self.word("a field's name")?;
        let mut elements = None;
        if self.accept('[') {
            let mut tokens = Vec::new();
            while !self.accept(']') {
                if *self.peek() == Token::End {
                    return Err(self.unexpected("`]`"));
                }
                tokens.push(self.next());
            }
            elements = Some(self.terms(&tokens)?);
        }
        self.sign(';')?;
        Ok(Field { name, ty, elements, size_is })
    }
}
