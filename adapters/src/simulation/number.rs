//! Numbers of persons and organisations, checked as the registries check them.

/// Twelve digits whose last one fits the others. `Err` says what is wrong, without the number.
pub fn check(text: &str) -> Result<(), &'static str> {
    if text.len() != 12 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("must be 12 digits");
    }
    let digits: Vec<u32> = text.bytes().map(|byte| u32::from(byte - b'0')).collect();
    let sum =
        |weights: [u32; 11]| weights.iter().zip(&digits).map(|(a, b)| a * b).sum::<u32>() % 11;
    let first = sum([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    let control = if first == 10 { sum([3, 4, 5, 6, 7, 8, 9, 10, 11, 1, 2]) } else { first };
    if control == digits[11] { Ok(()) } else { Err("has a wrong check digit") }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn the_check_digit_must_fit() {
        for good in ["850100300012", "920300400029", "990140000007", "770700300113"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        assert_eq!(check("850100300013"), Err("has a wrong check digit"));
        for bad in ["", "85010030001", "8501003000122", "85010030001x", "٨50100300012"] {
            assert_eq!(check(bad), Err("must be 12 digits"), "{bad}");
        }
    }
}
