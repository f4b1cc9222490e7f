/*
 * Rows of features straight from the text of a JSON value.
 *
 * A request is text, and most of its time would go into making jsonb of it, every number as a numeric, only
 * to make doubles of that.  This reads what requests usually are in one pass: objects whose numbers are
 * numbers and whose categories are strings without escapes.  Anything else, every error included,
 * is left to the general way (features_from_json), so that there is one wording for each
 * mistake, and one meaning of each value: a number becomes the double nearest to its text on both.
 */
#include "postgres.h"

#include "pg/json_scan.h"

#include <errno.h>

#include "pg/features.h"

/* The largest power of ten that a double holds exactly, and the integers up to which it holds all. */
#define EXACT_POWER 22
#define EXACT_INTEGER (UINT64CONST(1) << 53)

/* Digits that an uint64 holds whatever they are. */
#define SAFE_DIGITS 19

/* Set up to read text. */
void
json_scan_init(JsonScan *scan, const MlModel *model, const char *text, const char *member)
{
	const MlSignature *signature = model->signature;

	scan->model = model;
	scan->p = text;
	scan->member = member;
	scan->lengths = palloc(sizeof(size_t) * (Size) Max(signature->nfeatures, 1));
	scan->seen = palloc(sizeof(bool) * (Size) Max(signature->nfeatures, 1));
	for (int f = 0; f < signature->nfeatures; f++)
		scan->lengths[f] = strlen(signature->features[f].name);
}

/* Skip white space. */
static inline void
skip_space(JsonScan *scan)
{
	while (*scan->p == ' ' || *scan->p == '\n' || *scan->p == '\t' || *scan->p == '\r')
		scan->p++;
}

/* Read a character that is none of a value. */
bool
json_scan_char(JsonScan *scan, char wanted)
{
	skip_space(scan);
	if (*scan->p != wanted)
		return false;
	scan->p++;
	return true;
}

/* Read the word null. */
bool
json_scan_null(JsonScan *scan)
{
	skip_space(scan);
	if (strncmp(scan->p, "null", 4) != 0)
		return false;
	scan->p += 4;
	return true;
}

/* Read a string without escapes. */
static inline bool
scan_string(JsonScan *scan, const char **string, size_t *length)
{
	const char *p;

	if (!json_scan_char(scan, '"'))
		return false;
	for (p = scan->p; *p != '"'; p++)
	{
		if (*p == '\\' || *p == '\0')
			return false;
	}
	*string = scan->p;
	*length = (size_t) (p - scan->p);
	scan->p = p + 1;
	return true;
}

/* Read digits into *mantissa and count them; false for more than it surely holds. */
static inline bool
scan_digits(const char **p, uint64 *mantissa, int *count)
{
	const char *begin = *p;

	for (; **p >= '0' && **p <= '9'; (*p)++)
		*mantissa = *mantissa * 10 + (uint64) (**p - '0');
	*count += (int) Min(*p - begin, SAFE_DIGITS + 1);
	return *count <= SAFE_DIGITS;
}

/* Read the exponent of a number, if there is one; false when it is not a small one. */
static inline bool
scan_exponent(const char **p, int *exponent)
{
	bool		negative;
	int			value = 0;

	if (**p != 'e' && **p != 'E')
		return true;
	(*p)++;
	negative = **p == '-';
	if (**p == '-' || **p == '+')
		(*p)++;
	for (; **p >= '0' && **p <= '9'; (*p)++)
	{
		if (value > 2 * EXACT_POWER)
			return false;
		value = value * 10 + (**p - '0');
	}
	*exponent += negative ? -value : value;
	return true;
}

/* The number by the library; false when a double cannot have it. */
static bool
scan_number_slowly(JsonScan *scan, double *number)
{
	char	   *end;

	errno = 0;
	*number = strtod(scan->p, &end);
	if (errno != 0 || end == scan->p)
		return false;
	scan->p = end;
	return true;
}

/*
 * Read a number, the double nearest to its text.  Where both the digits and the power of ten are exact doubles, their
 * product or quotient is that, rounded once.
 */
static inline bool
scan_number(JsonScan *scan, double *number)
{
	static const double powers[EXACT_POWER + 1] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
	1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
	const char *p = scan->p;
	bool		negative = *p == '-';
	uint64		mantissa = 0;
	int			digits = 0;
	int			exponent = 0;
	bool		small;

	if (negative)
		p++;
	if (*p < '0' || *p > '9')
		return false;
	small = scan_digits(&p, &mantissa, &digits);
	if (small && *p == '.')
	{
		const char *fraction = ++p;

		small = scan_digits(&p, &mantissa, &digits);
		exponent = (int) (fraction - p);
	}
	small = small && scan_exponent(&p, &exponent);
	if (!small || mantissa > EXACT_INTEGER || exponent < -EXACT_POWER || exponent > EXACT_POWER)
		return scan_number_slowly(scan, number);
	*number = exponent < 0 ? (double) mantissa / powers[-exponent] : (double) mantissa * powers[exponent];
	if (negative && mantissa > 0)
		*number = -*number;
	scan->p = p;
	return true;
}

/* Read true or false as 1 or 0. */
static bool
scan_boolean(JsonScan *scan, double *number)
{
	*number = *scan->p == 't' ? 1.0 : 0.0;
	if (strncmp(scan->p, "true", 4) == 0)
		scan->p += 4;
	else if (strncmp(scan->p, "false", 5) == 0)
		scan->p += 5;
	else
		return false;
	return true;
}

/* Skip a string, whatever is in it. */
static bool
skip_string(JsonScan *scan)
{
	for (scan->p++; *scan->p != '"'; scan->p++)
	{
		if (*scan->p == '\\')
			scan->p++;
		if (*scan->p == '\0')
			return false;
	}
	scan->p++;
	return true;
}

/* Skip any value. */
static bool
skip_value(JsonScan *scan)
{
	int			depth = 0;

	skip_space(scan);
	do
	{
		switch (*scan->p)
		{
			case '\0':
				return false;
			case '"':
				if (!skip_string(scan))
					return false;
				continue;
			case '{':
			case '[':
				depth++;
				break;
			case '}':
			case ']':
				depth--;
				break;
			default:
				break;
		}
		scan->p++;
	} while (depth > 0 || (*scan->p != ',' && *scan->p != '}' && *scan->p != ']'));
	return true;
}

/* The feature of a name, looked for from one on and around; -1 when there is none. */
static inline int
find_feature(const JsonScan *scan, const char *name, size_t length, int from)
{
	const MlSignature *signature = scan->model->signature;

	for (int i = 0; i < signature->nfeatures; i++)
	{
		int			f = from + i < signature->nfeatures ? from + i : from + i - signature->nfeatures;

		if (scan->lengths[f] == length && memcmp(signature->features[f].name, name, length) == 0)
			return f;
	}
	return -1;
}

/* Read the value of a feature into its slots. */
static inline bool
scan_feature(JsonScan *scan, int feature, double *raw, size_t stride)
{
	const MlFeature *meant = &scan->model->signature->features[feature];
	const char *string;
	size_t		length;
	double		number;

	skip_space(scan);
	if (*scan->p == 'n' && json_scan_null(scan))
	{
		feature_set_null(scan->model, feature, raw, stride);
		return true;
	}
	if (meant->kind == ML_KIND_NUMBER)
	{
		if (!scan_number(scan, &number) && !scan_boolean(scan, &number))
			return false;
		feature_set_number(scan->model, feature, meant->slot, number, raw, stride);
		return true;
	}
	if ((meant->kind != ML_KIND_CATEGORY && meant->kind != ML_KIND_TEXT) || !scan_string(scan, &string, &length))
		return false;
	if (meant->kind == ML_KIND_TEXT)
		feature_set_text(scan->model, feature, string, length, raw, stride);
	else
		feature_set_category(scan->model, feature, string, length, raw, stride);
	return true;
}

/* Keep the text of the member that is wanted, where it is written as it is meant; leaves it unread. */
static bool
note_member(JsonScan *scan)
{
	const char *begin;

	skip_space(scan);
	begin = scan->p;
	scan->text = NULL;
	if (*begin == '"')
	{
		bool		plain = scan_string(scan, &scan->text, &scan->length);

		scan->p = begin;
		return plain;
	}
	if (*begin == 'n')
		return true;
	scan->length = strspn(begin, "-.0123456789");
	scan->text = begin;
	return scan->length > 0 && strchr(" \n\t\r,}", begin[scan->length]) != NULL;
}

/* Read one object into the slots of a row. */
bool
json_scan_row(JsonScan *scan, double *raw, size_t stride)
{
	int			nfeatures = scan->model->signature->nfeatures;
	int			found = 0;
	int			next = 0;

	memset(scan->seen, 0, sizeof(bool) * (Size) nfeatures);
	scan->text = NULL;
	if (!json_scan_char(scan, '{'))
		return false;
	if (json_scan_char(scan, '}'))
		return nfeatures == 0;
	do
	{
		const char *name;
		size_t		length;
		int			feature;

		if (!scan_string(scan, &name, &length) || !json_scan_char(scan, ':'))
			return false;
		if (scan->member != NULL && strlen(scan->member) == length && memcmp(scan->member, name, length) == 0 &&
			!note_member(scan))
			return false;
		feature = find_feature(scan, name, length, next);
		if (feature < 0)
		{
			if (!skip_value(scan))
				return false;
			continue;
		}
		if (scan->seen[feature] || !scan_feature(scan, feature, raw, stride))
			return false;
		scan->seen[feature] = true;
		found++;
		next = feature + 1 < nfeatures ? feature + 1 : 0;
	} while (json_scan_char(scan, ','));
	return found == nfeatures && json_scan_char(scan, '}');
}
