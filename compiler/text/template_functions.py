"""Lists the functions of External Secrets Operator's templates (engine v2), by version, as its sources have them."""

# A version's minor, as its major and minor number.
_Minor = tuple[int, int]

# Of Go itself, of the operator, and of the sprig library without what looks at the operator's own surroundings.
_ALWAYS = frozenset(
    """
and call html index slice js len not or print printf println urlquery eq ne lt le gt ge
pkcs12key pkcs12keyPass pkcs12cert pkcs12certPass pemToPkcs12 pemToPkcs12Pass fullPemToPkcs12
fullPemToPkcs12Pass filterPEM filterCertChain jwkPublicKeyPem jwkPrivateKeyPem toYaml fromYaml
abbrev abbrevboth add add1 add1f addf adler32sum ago all any append atoi b32dec b32enc b64dec b64enc base bcrypt
biggest buildCustomCert camelcase cat ceil chunk clean coalesce compact concat contains date dateInZone
dateModify date_in_zone date_modify decryptAES deepCopy deepEqual default derivePassword dict dig dir div divf
duration durationRound empty encryptAES ext first float64 floor fromJson genCA genCAWithKey genPrivateKey
genSelfSignedCert genSelfSignedCertWithKey genSignedCert genSignedCertWithKey get has hasKey hasPrefix hasSuffix
hello htmlDate htmlDateInZone htpasswd indent initial initials int int64 isAbs join kebabcase keys kindIs kindOf
last list lower max maxf merge mergeOverwrite min minf mod mul mulf mustAppend mustChunk mustCompact
mustDateModify mustDeepCopy mustFirst mustFromJson mustHas mustInitial mustLast mustMerge mustMergeOverwrite
mustPrepend mustPush mustRegexFind mustRegexFindAll mustRegexMatch mustRegexReplaceAll
mustRegexReplaceAllLiteral mustRegexSplit mustRest mustReverse mustSlice mustToDate mustToJson mustToPrettyJson
mustToRawJson mustUniq mustWithout must_date_modify nindent nospace now omit osBase osClean osDir osExt osIsAbs
pick pluck plural prepend push quote randAlpha randAlphaNum randAscii randBytes randInt randNumeric regexFind
regexFindAll regexMatch regexQuoteMeta regexReplaceAll regexReplaceAllLiteral regexSplit repeat replace rest
reverse round semver semverCompare seq set sha1sum sha256sum sha512sum shuffle slice snakecase sortAlpha split
splitList splitn squote sub subf substr swapcase ternary title toDate toDecimal toJson toPrettyJson toRawJson
toString toStrings trim trimAll trimPrefix trimSuffix trimall trunc tuple typeIs typeIsLike typeOf uniq
unixEpoch unset until untilStep untitle upper urlJoin urlParse uuidv4 values without wrap wrapWith
""".split()  # noqa: SIM905 - a list of 230 quoted names takes as many lines
)
# The first version that has each of these.
_SINCE = {
    "pemTruststoreToPKCS12": (0, 20),
    "pemTruststoreToPKCS12Pass": (0, 20),
    "rsaDecrypt": (1, 0),
    "certSANs": (2, 2),
    "hexdec": (2, 7),
}
# The last version that had each of these.
_UNTIL = {"fail": (2, 11)}


def functions_of(minor: _Minor) -> frozenset[str]:
    """The functions that templates of this minor version of the operator may call."""
    since = {name for name, first in _SINCE.items() if first <= minor}
    return _ALWAYS | since | {name for name, last in _UNTIL.items() if minor <= last}


def versions_of(function: str) -> str:
    """Which versions have a function, in words; empty for one that all or none have."""
    if (first := _SINCE.get(function)) is not None:
        return f"External Secrets Operator has it from {first[0]}.{first[1]} on"
    last = _UNTIL.get(function)
    return f"External Secrets Operator had it up to {last[0]}.{last[1]}" if last is not None else ""
