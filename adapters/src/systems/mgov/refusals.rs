//! Why a code does not open a check: one table of codes and words, for what M-Gov says and for what
//! the hub decides before it asks.

use contracts::{
    class::{Class, Failure, Localised},
    code,
    code::Code,
};

/// D3: not registered is a result, with these words (manuals/000 step 2.4; the Kazakh ones are ours).
pub const NOT_REGISTERED: Localised = Localised {
    ru: "Вы не можете использовать авторизацию через одноразовый пароль, т.к. Вы не \
         зарегистрированы в M-Gov. Вам необходимо пройти регистрацию в M-Gov или использовать \
         другой вид авторизации.",
    kk: "Сіз бір реттік құпиясөз арқылы авторизациялауды пайдалана алмайсыз, себебі Сіз M-Gov \
         жүйесінде тіркелмегенсіз. Сізге M-Gov жүйесінде тіркелу немесе авторизациялаудың басқа \
         түрін пайдалану қажет.",
};

/// Why a code does not open a check. Closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// M-Gov: the digits are others.
    Wrong,
    /// M-Gov or the hub: the code is too old.
    Expired,
    /// M-Gov or the hub: it was typed wrongly too often.
    AttemptsUsedUp,
    /// M-Gov or the hub: it opened a check already (D4).
    Used,
    /// M-Gov or the hub: nobody knows such a code.
    Unknown,
    /// The hub: it was sent for another check (D4).
    OtherCheck,
    /// The hub: it was sent to another person (D4).
    OtherPerson,
    /// The hub: the next code may be sent only after a pause (D5).
    ResendTooSoon,
    /// M-Gov: a code cannot be sent to somebody who is not registered.
    NotRegistered,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Wrong,
        Self::Expired,
        Self::AttemptsUsedUp,
        Self::Used,
        Self::Unknown,
        Self::OtherCheck,
        Self::OtherPerson,
        Self::ResendTooSoon,
        Self::NotRegistered,
    ];

    /// The stable code of the failure.
    pub const fn code(self) -> Code {
        match self {
            Self::Wrong => code!("code_wrong"),
            Self::Expired => code!("code_expired"),
            Self::AttemptsUsedUp => code!("code_attempts_used_up"),
            Self::Used => code!("code_used"),
            Self::Unknown => code!("code_unknown"),
            Self::OtherCheck => code!("code_other_check"),
            Self::OtherPerson => code!("code_other_person"),
            Self::ResendTooSoon => code!("resend_too_soon"),
            Self::NotRegistered => code!("not_registered"),
        }
    }

    /// What the portal may show.
    pub const fn reason(self) -> Localised {
        match self {
            Self::Wrong => Localised {
                ru: "Неверный СМС-код. Проверьте код и введите его ещё раз.",
                kk: "СМС-код қате. Кодты тексеріп, қайта енгізіңіз.",
            },
            Self::Expired => Localised {
                ru: "Срок действия СМС-кода истёк. Отправьте новый код.",
                kk: "СМС-кодтың қолданылу мерзімі өтті. Жаңа код жіберіңіз.",
            },
            Self::AttemptsUsedUp => Localised {
                ru: "Попытки ввода СМС-кода исчерпаны. Отправьте новый код.",
                kk: "СМС-кодты енгізу әрекеттері таусылды. Жаңа код жіберіңіз.",
            },
            Self::Used => Localised {
                ru: "Этот СМС-код уже использован. Для каждой проверки нужен свой код.",
                kk: "Бұл СМС-код пайдаланылып қойған. Әр тексеруге жеке код қажет.",
            },
            Self::Unknown => Localised {
                ru: "СМС-код не найден. Отправьте новый код.",
                kk: "СМС-код табылмады. Жаңа код жіберіңіз.",
            },
            Self::OtherCheck => Localised {
                ru: "СМС-код отправлен для другой проверки. Для каждой проверки используется \
                     свой код.",
                kk: "СМС-код басқа тексеру үшін жіберілген. Әр тексеру үшін жеке код қолданылады.",
            },
            Self::OtherPerson => Localised {
                ru: "СМС-код отправлен другому лицу. Отправьте код на номер этого лица.",
                kk: "СМС-код басқа тұлғаға жіберілген. Кодты осы тұлғаның нөміріне жіберіңіз.",
            },
            Self::ResendTooSoon => Localised {
                ru: "Код уже отправлен. Повторно его можно отправить немного позже.",
                kk: "Код жіберілді. Оны сәл кейінірек қайта жіберуге болады.",
            },
            Self::NotRegistered => NOT_REGISTERED,
        }
    }

    /// The refusal as an attempt tells it.
    pub const fn failure(self) -> Failure {
        Failure::new(Class::Refused, self.code()).with_reason(self.reason())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_refusal_has_its_own_code_and_its_own_words_in_both_languages() {
        for part in [
            |refusal: &Refusal| refusal.code().name(),
            |refusal: &Refusal| refusal.reason().ru,
            |refusal: &Refusal| refusal.reason().kk,
        ] {
            let all: BTreeSet<&str> = Refusal::ALL.iter().map(part).collect();
            assert_eq!(all.len(), Refusal::ALL.len());
            assert!(all.iter().all(|text| !text.is_empty() && !text.contains("  ")), "{all:?}");
        }
        for refusal in Refusal::ALL {
            let failure = refusal.failure();
            assert_eq!((failure.class, failure.code), (Class::Refused, refusal.code()));
            assert_eq!(failure.reason, Some(refusal.reason()));
        }
    }

    #[test]
    fn d3_the_words_are_those_of_the_portal() {
        assert_eq!(
            NOT_REGISTERED.ru,
            "Вы не можете использовать авторизацию через одноразовый пароль, т.к. Вы не зарегистрированы в M-Gov. \
             Вам необходимо пройти регистрацию в M-Gov или использовать другой вид авторизации."
        );
    }
}
