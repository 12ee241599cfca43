/**
 * Characters without ink, whatever their category. U+200D and the variation selectors are not among
 * them: they have rules of their own.
 */
export const INVISIBLE = [
  ..."\u00ad\u034f\u061c\u115f\u1160\u17b4\u180e\u200b\u200c\u2060\u2063\u2800\u3164\ufeff\uffa0",
  ..."\ufff9\ufffa\ufffb\ufffc\u{13441}\u{13442}\u{16fe4}\u{1d159}\u{1d173}\u{e0001}\u{e0061}",
];
