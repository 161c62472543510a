//! Makes cases: upstream checks every case before it is written.

use crate::{
    message::Message,
    oracle::{Answer, Kind, Oracle},
    suite::{Suite, Validators},
    vector::{Case, Validator},
};
use commonware_utils::hex;

/// The answer that we expect from upstream. The program stops if upstream answers differently.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Expect {
    Refused,
    /// Decoded, and found invalid if there is something to verify.
    Invalid,
    /// Decoded, and found valid if there is something to verify.
    Valid,
}

/// Lanecast's answer where it differs on purpose.
pub struct Difference {
    pub reason: &'static str,
    pub decode: bool,
    pub verify: Option<bool>,
}

/// Records cases about one validator set.
pub struct Recorder<S: Suite> {
    oracle: Oracle<S>,
    template: Case,
    /// Omits the fields of messages that do not verify, and the reasons for refusing cut bytes.
    pub lean: bool,
    pub cases: Vec<Case>,
}

impl<S: Suite> Recorder<S> {
    pub fn new(v: &Validators<S>) -> Self {
        let template = Case {
            scheme: S::SCHEME.into(),
            variant: S::VARIANT.into(),
            namespace: hex(&v.namespace),
            participants: v.described.clone(),
            group_public: v.group.clone(),
            ..Case::default()
        };
        Self {
            oracle: Oracle::new(&v.namespace, v.verifier.clone()),
            template,
            lean: false,
            cases: Vec::new(),
        }
    }

    /// For messages that need no validator set: the cases name none.
    pub fn without_set(v: &Validators<S>) -> Self {
        let mut r = Self::new(v);
        r.template = Case { namespace: hex(&v.namespace), ..Case::default() };
        r
    }

    /// For a set of keys without a dealer.
    pub fn of(namespace: &[u8], participants: Vec<Validator>, group: &str) -> Self {
        let scheme = S::read(namespace, &participants, group).expect("a set that upstream takes");
        Self {
            oracle: Oracle::new(namespace, scheme),
            template: Case {
                scheme: S::SCHEME.into(),
                variant: S::VARIANT.into(),
                namespace: hex(namespace),
                participants,
                group_public: group.into(),
                ..Case::default()
            },
            lean: false,
            cases: Vec::new(),
        }
    }

    /// The same keys under another namespace. Proofs of possession would not hold there.
    pub fn under(&self, namespace: &[u8]) -> Self {
        let mut participants = self.template.participants.clone();
        for p in &mut participants {
            p.proof.clear();
        }
        let mut r = Self::of(namespace, participants, &self.template.group_public);
        r.lean = self.lean;
        r
    }

    pub fn add(&mut self, name: String, m: &Message, expect: Expect) {
        self.record(name, m.kind, &m.bytes(), expect, None);
    }

    pub fn differ(&mut self, name: String, kind: Kind, b: &[u8], expect: Expect, d: Difference) {
        self.record(name, kind, b, expect, Some(d));
    }

    /// Every proper prefix of the message, each as a case.
    pub fn cut(&mut self, m: &Message) {
        let b = m.bytes();
        for i in 0..b.len() {
            let name = format!("{} cut after {i} of {} bytes", m.kind.name(), b.len());
            self.record(name, m.kind, &b[..i], Expect::Refused, None);
            if self.lean {
                self.cases.last_mut().expect("it was recorded").upstream_error.clear();
            }
        }
    }

    pub fn record(
        &mut self,
        name: String,
        kind: Kind,
        b: &[u8],
        expect: Expect,
        difference: Option<Difference>,
    ) {
        let mut case = Case { kind: kind.name().into(), encoded: hex(b), ..self.template.clone() };
        let answer = self.oracle.ask(kind, b);
        let got = match &answer {
            Answer::Refused(_) => Expect::Refused,
            Answer::Decoded { verified: Some(false), .. } => Expect::Invalid,
            Answer::Decoded { verified: Some(true), .. } => Expect::Valid,
            Answer::Decoded { .. } if expect == Expect::Refused => Expect::Valid,
            Answer::Decoded { .. } => expect,
        };
        assert_eq!(got, expect, "{}: {name}: {}", S::SCHEME, case.encoded);
        let (decode, verify) = match answer {
            Answer::Refused(why) => {
                case.upstream_error = why;
                ("error", None)
            }
            Answer::Decoded { fields, verified, encoded } => {
                if !(self.lean && expect == Expect::Invalid) {
                    case.fields = fields;
                }
                if difference.is_none() {
                    assert_eq!(encoded, b, "{name}: upstream encodes it differently");
                    if expect == Expect::Valid {
                        let short = (0..b.len()).find(|&i| self.oracle.decodes(kind, &b[..i]));
                        assert_eq!(short, None, "{name}: upstream decodes its beginning");
                        case.cuts = "error".into();
                    }
                }
                ("ok", verified)
            }
        };
        case.decode = decode.into();
        case.verify = verify;
        if let Some(d) = difference {
            case.upstream_decode = decode.into();
            case.upstream_verify = verify;
            case.difference = d.reason.into();
            case.decode = if d.decode { "ok" } else { "error" }.into();
            case.verify = d.verify;
            if !d.decode {
                case.fields.clear();
            }
        }
        case.name = name;
        self.cases.push(case);
    }
}
