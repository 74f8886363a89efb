/*
 * regex_property.c
 *	  The Unicode categories and scripts of \p{...}: the names Go knows, spelled as
 *	  Go spells them, and how to ask PCRE2 for the same characters.
 *
 * Go's general category C has no unassigned code points, PCRE2's has; \p{Greek}
 * is Go's Script property, which PCRE2 calls sc. Under (?i) PCRE2 treats Lu, Ll and
 * Lt alike, while Go adds to a property what folds to one of its members: so a
 * property is never written inside a caseless group, and what Go adds is written
 * out here.
 */
#include <string.h>

#include "regex_internal.h"

typedef struct PropertyName
{
	const char *name;
	const char *contents;
	const char *fold_extra;
} PropertyName;

/*
 * Small letters whose capital is a title case digraph's or takes more than one
 * letter: under simple folding no capital equals them.
 */
#define SMALL_WITHOUT_CAPITAL                                                                \
	"[\\x{131}\\x{149}\\x{1F0}\\x{390}\\x{3B0}\\x{587}\\x{1E96}-\\x{1E9A}\\x{1F50}\\x{1F52}" \
	"\\x{1F54}\\x{1F56}\\x{1F80}-\\x{1F87}\\x{1F90}-\\x{1F97}\\x{1FA0}-\\x{1FA7}"            \
	"\\x{1FB2}-\\x{1FB4}\\x{1FB6}\\x{1FB7}\\x{1FC2}-\\x{1FC4}\\x{1FC6}\\x{1FC7}"             \
	"\\x{1FD2}\\x{1FD3}\\x{1FD6}\\x{1FD7}\\x{1FE2}-\\x{1FE4}\\x{1FE6}\\x{1FE7}"              \
	"\\x{1FF2}-\\x{1FF4}\\x{1FF6}\\x{1FF7}\\x{FB00}-\\x{FB06}\\x{FB13}-\\x{FB17}]"

#define TITLE_PARTNERS                                                            \
	"[\\x{1C4}\\x{1C6}\\x{1C7}\\x{1C9}\\x{1CA}\\x{1CC}\\x{1F1}\\x{1F3}"           \
	"\\x{1F80}-\\x{1F87}\\x{1F90}-\\x{1F97}\\x{1FA0}-\\x{1FA7}\\x{1FB3}\\x{1FC3}" \
	"\\x{1FF3}]"

#define IOTA_LETTERS "[\\x{399}\\x{3B9}\\x{1FBE}]"

static const PropertyName categories[] = {
	{"C", "\\p{Cc}\\p{Cf}\\p{Co}\\p{Cs}", NULL},
	{"Cc", "\\p{Cc}", NULL},
	{"Cf", "\\p{Cf}", NULL},
	{"Co", "\\p{Co}", NULL},
	{"Cs", "\\p{Cs}", NULL},
	{"L", "\\p{L}", "\\x{345}"},
	{"Ll", "\\p{Ll}",
	 "\\x{345}|(?=[\\p{Lu}\\p{Lt}])(?!\\x{130})[\\p{CWL}\\x{13A0}-\\x{13F5}]"},
	{"Lm", "\\p{Lm}", NULL},
	{"Lo", "\\p{Lo}", NULL},
	{"Lt", "\\p{Lt}", TITLE_PARTNERS},
	{"Lu", "\\p{Lu}",
	 "[\\x{1C5}\\x{1C8}\\x{1CB}\\x{1F2}\\x{345}]|(?=\\p{Ll})(?!" SMALL_WITHOUT_CAPITAL
	 ")\\p{CWU}"},
	{"M", "\\p{M}", IOTA_LETTERS},
	{"Mc", "\\p{Mc}", NULL},
	{"Me", "\\p{Me}", NULL},
	{"Mn", "\\p{Mn}", IOTA_LETTERS},
	{"N", "\\p{N}", NULL},
	{"Nd", "\\p{Nd}", NULL},
	{"Nl", "\\p{Nl}", NULL},
	{"No", "\\p{No}", NULL},
	{"P", "\\p{P}", NULL},
	{"Pc", "\\p{Pc}", NULL},
	{"Pd", "\\p{Pd}", NULL},
	{"Pe", "\\p{Pe}", NULL},
	{"Pf", "\\p{Pf}", NULL},
	{"Pi", "\\p{Pi}", NULL},
	{"Po", "\\p{Po}", NULL},
	{"Ps", "\\p{Ps}", NULL},
	{"S", "\\p{S}", NULL},
	{"Sc", "\\p{Sc}", NULL},
	{"Sk", "\\p{Sk}", NULL},
	{"Sm", "\\p{Sm}", NULL},
	{"So", "\\p{So}", NULL},
	{"Z", "\\p{Z}", NULL},
	{"Zl", "\\p{Zl}", NULL},
	{"Zp", "\\p{Zp}", NULL},
	{"Zs", "\\p{Zs}", NULL},
};

#define SCRIPT(name)                   \
	{                                  \
		name, "\\p{sc:" name "}", NULL \
	}

static const PropertyName scripts[] = {
	{"Common", "\\p{sc:Common}", "[\\x{39C}\\x{3BC}]"},
	{"Greek", "\\p{sc:Greek}", "[\\x{B5}\\x{345}]"},
	{"Inherited", "\\p{sc:Inherited}", IOTA_LETTERS},
	SCRIPT("Adlam"),
	SCRIPT("Ahom"),
	SCRIPT("Anatolian_Hieroglyphs"),
	SCRIPT("Arabic"),
	SCRIPT("Armenian"),
	SCRIPT("Avestan"),
	SCRIPT("Balinese"),
	SCRIPT("Bamum"),
	SCRIPT("Bassa_Vah"),
	SCRIPT("Batak"),
	SCRIPT("Bengali"),
	SCRIPT("Bhaiksuki"),
	SCRIPT("Bopomofo"),
	SCRIPT("Brahmi"),
	SCRIPT("Braille"),
	SCRIPT("Buginese"),
	SCRIPT("Buhid"),
	SCRIPT("Canadian_Aboriginal"),
	SCRIPT("Carian"),
	SCRIPT("Caucasian_Albanian"),
	SCRIPT("Chakma"),
	SCRIPT("Cham"),
	SCRIPT("Cherokee"),
	SCRIPT("Chorasmian"),
	SCRIPT("Coptic"),
	SCRIPT("Cuneiform"),
	SCRIPT("Cypriot"),
	SCRIPT("Cypro_Minoan"),
	SCRIPT("Cyrillic"),
	SCRIPT("Deseret"),
	SCRIPT("Devanagari"),
	SCRIPT("Dives_Akuru"),
	SCRIPT("Dogra"),
	SCRIPT("Duployan"),
	SCRIPT("Egyptian_Hieroglyphs"),
	SCRIPT("Elbasan"),
	SCRIPT("Elymaic"),
	SCRIPT("Ethiopic"),
	SCRIPT("Georgian"),
	SCRIPT("Glagolitic"),
	SCRIPT("Gothic"),
	SCRIPT("Grantha"),
	SCRIPT("Gujarati"),
	SCRIPT("Gunjala_Gondi"),
	SCRIPT("Gurmukhi"),
	SCRIPT("Han"),
	SCRIPT("Hangul"),
	SCRIPT("Hanifi_Rohingya"),
	SCRIPT("Hanunoo"),
	SCRIPT("Hatran"),
	SCRIPT("Hebrew"),
	SCRIPT("Hiragana"),
	SCRIPT("Imperial_Aramaic"),
	SCRIPT("Inscriptional_Pahlavi"),
	SCRIPT("Inscriptional_Parthian"),
	SCRIPT("Javanese"),
	SCRIPT("Kaithi"),
	SCRIPT("Kannada"),
	SCRIPT("Katakana"),
	SCRIPT("Kayah_Li"),
	SCRIPT("Kharoshthi"),
	SCRIPT("Khitan_Small_Script"),
	SCRIPT("Khmer"),
	SCRIPT("Khojki"),
	SCRIPT("Khudawadi"),
	SCRIPT("Lao"),
	SCRIPT("Latin"),
	SCRIPT("Lepcha"),
	SCRIPT("Limbu"),
	SCRIPT("Linear_A"),
	SCRIPT("Linear_B"),
	SCRIPT("Lisu"),
	SCRIPT("Lycian"),
	SCRIPT("Lydian"),
	SCRIPT("Mahajani"),
	SCRIPT("Makasar"),
	SCRIPT("Malayalam"),
	SCRIPT("Mandaic"),
	SCRIPT("Manichaean"),
	SCRIPT("Marchen"),
	SCRIPT("Masaram_Gondi"),
	SCRIPT("Medefaidrin"),
	SCRIPT("Meetei_Mayek"),
	SCRIPT("Mende_Kikakui"),
	SCRIPT("Meroitic_Cursive"),
	SCRIPT("Meroitic_Hieroglyphs"),
	SCRIPT("Miao"),
	SCRIPT("Modi"),
	SCRIPT("Mongolian"),
	SCRIPT("Mro"),
	SCRIPT("Multani"),
	SCRIPT("Myanmar"),
	SCRIPT("Nabataean"),
	SCRIPT("Nandinagari"),
	SCRIPT("New_Tai_Lue"),
	SCRIPT("Newa"),
	SCRIPT("Nko"),
	SCRIPT("Nushu"),
	SCRIPT("Nyiakeng_Puachue_Hmong"),
	SCRIPT("Ogham"),
	SCRIPT("Ol_Chiki"),
	SCRIPT("Old_Hungarian"),
	SCRIPT("Old_Italic"),
	SCRIPT("Old_North_Arabian"),
	SCRIPT("Old_Permic"),
	SCRIPT("Old_Persian"),
	SCRIPT("Old_Sogdian"),
	SCRIPT("Old_South_Arabian"),
	SCRIPT("Old_Turkic"),
	SCRIPT("Old_Uyghur"),
	SCRIPT("Oriya"),
	SCRIPT("Osage"),
	SCRIPT("Osmanya"),
	SCRIPT("Pahawh_Hmong"),
	SCRIPT("Palmyrene"),
	SCRIPT("Pau_Cin_Hau"),
	SCRIPT("Phags_Pa"),
	SCRIPT("Phoenician"),
	SCRIPT("Psalter_Pahlavi"),
	SCRIPT("Rejang"),
	SCRIPT("Runic"),
	SCRIPT("Samaritan"),
	SCRIPT("Saurashtra"),
	SCRIPT("Sharada"),
	SCRIPT("Shavian"),
	SCRIPT("Siddham"),
	SCRIPT("SignWriting"),
	SCRIPT("Sinhala"),
	SCRIPT("Sogdian"),
	SCRIPT("Sora_Sompeng"),
	SCRIPT("Soyombo"),
	SCRIPT("Sundanese"),
	SCRIPT("Syloti_Nagri"),
	SCRIPT("Syriac"),
	SCRIPT("Tagalog"),
	SCRIPT("Tagbanwa"),
	SCRIPT("Tai_Le"),
	SCRIPT("Tai_Tham"),
	SCRIPT("Tai_Viet"),
	SCRIPT("Takri"),
	SCRIPT("Tamil"),
	SCRIPT("Tangsa"),
	SCRIPT("Tangut"),
	SCRIPT("Telugu"),
	SCRIPT("Thaana"),
	SCRIPT("Thai"),
	SCRIPT("Tibetan"),
	SCRIPT("Tifinagh"),
	SCRIPT("Tirhuta"),
	SCRIPT("Toto"),
	SCRIPT("Ugaritic"),
	SCRIPT("Vai"),
	SCRIPT("Vithkuqi"),
	SCRIPT("Wancho"),
	SCRIPT("Warang_Citi"),
	SCRIPT("Yezidi"),
	SCRIPT("Yi"),
	SCRIPT("Zanabazar_Square"),
};

static bool
find_name(const PropertyName *names, size_t n, const char *name, size_t len,
		  RegexProperty *property)
{
	for (size_t i = 0; i < n; i++)
	{
		if (strlen(names[i].name) == len && memcmp(names[i].name, name, len) == 0)
		{
			property->contents = names[i].contents;
			property->fold_extra = names[i].fold_extra;
			return true;
		}
	}
	return false;
}

bool
regex_find_property(const char *name, size_t len, RegexProperty *property)
{
	return find_name(categories, sizeof(categories) / sizeof(categories[0]), name, len,
					 property) ||
		   find_name(scripts, sizeof(scripts) / sizeof(scripts[0]), name, len, property);
}
