/*
 * The table of options of explanations, and reading them.
 */
#include "explain/options.h"

#include <string.h>

#include "base/json.h"

typedef enum OptionType
{
	OPTION_TEXT,				/* const char * */
	OPTION_CHOICE,				/* int: index into choices */
	OPTION_INTEGER,				/* int64_t */
	OPTION_REAL,				/* double */
	OPTION_BOOLEAN				/* bool */
} OptionType;

typedef struct Option
{
	const char *name;
	OptionType	type;
	unsigned	uses;			/* MlExplainUse bits */
	size_t		offset;
	double		default_value;	/* TEXT: none */
	double		min;
	double		max;
	const char *const *choices; /* ended by NULL */
} Option;

static const char *const methods[] = {"path", "interventional", NULL};

#define SHAP (ML_USE_SHAP | ML_USE_SHAP_IMPORTANCE)
#define CURVES (ML_USE_DEPENDENCE | ML_USE_ICE)
#define FIELD(field) offsetof(MlExplainOptions, field)

static const Option option_table[] = {
	{"class", OPTION_TEXT, SHAP | CURVES, FIELD(klass), 0, 0, 0, NULL},
	{"method", OPTION_CHOICE, SHAP, FIELD(method), ML_METHOD_PATH, 0, 0, methods},
	{"background", OPTION_TEXT, SHAP, FIELD(background), 0, 0, 0, NULL},
	{"background_rows", OPTION_INTEGER, SHAP, FIELD(background_rows), 100, 1, 100000, NULL},
	{"seed", OPTION_INTEGER, SHAP | ML_USE_PERMUTATION, FIELD(seed), 0, 0, 1e9, NULL},
	{"normalize", OPTION_BOOLEAN, ML_USE_SPLITS, FIELD(normalize), 0, 0, 1, NULL},
	{"metric", OPTION_TEXT, ML_USE_PERMUTATION, FIELD(metric), 0, 0, 0, NULL},
	{"n_repeats", OPTION_INTEGER, ML_USE_PERMUTATION, FIELD(n_repeats), 5, 1, 1000, NULL},
	{"points", OPTION_INTEGER, CURVES, FIELD(points), 20, 1, 10000, NULL},
	{"low", OPTION_REAL, CURVES, FIELD(low), 0.05, 0, 1, NULL},
	{"high", OPTION_REAL, CURVES, FIELD(high), 0.95, 0, 1, NULL},
	{"other", OPTION_TEXT, ML_USE_DEPENDENCE, FIELD(other), 0, 0, 0, NULL},
};

#define OPTIONS (sizeof(option_table) / sizeof(option_table[0]))

/* Refuse a value. */
static void
refuse(MlContext *ctx, const Option *option, json_object *value, MlErrorCode code)
{
	const char *wanted =
		option->type == OPTION_TEXT || option->type == OPTION_CHOICE ? "text" :
		option->type == OPTION_BOOLEAN ? "true or false" :
		option->type == OPTION_INTEGER ? ml_format(ctx, "an integer from %.0f to %.0f", option->min, option->max) :
		ml_format(ctx, "a number from %g to %g", option->min, option->max);

	ml_raise(ctx, code, "option \"%s\" must be %s, not %s", option->name, wanted, ml_json_text(ctx, value));
}

/* The index of a choice. */
static int
find_choice(MlContext *ctx, const Option *option, const char *text)
{
	size_t		n = 0;

	for (; option->choices[n] != NULL; n++)
		if (strcmp(option->choices[n], text) == 0)
			return (int) n;
	ml_raise_full(ctx, ML_ERROR_UNDEFINED, ml_format(ctx, "option \"%s\" does not know \"%s\"", option->name, text),
				  NULL, ml_candidates_hint(ctx, option->name, text, option->choices, n));
}

/* Put a value into its field. */
static void
take_value(MlContext *ctx, const Option *option, json_object *value, void *field)
{
	bool		is_text = json_object_is_type(value, json_type_string);
	bool		is_integer = json_object_is_type(value, json_type_int);
	double		number = json_object_get_double(value);

	if (option->type == OPTION_BOOLEAN ? !json_object_is_type(value, json_type_boolean) :
		option->type == OPTION_TEXT || option->type == OPTION_CHOICE ? !is_text :
		!is_integer && !json_object_is_type(value, json_type_double))
		refuse(ctx, option, value, ML_ERROR_WRONG_TYPE);
	if (option->type == OPTION_TEXT)
		*(const char **) field = ml_strdup(ctx, json_object_get_string(value));
	else if (option->type == OPTION_CHOICE)
		*(int *) field = find_choice(ctx, option, json_object_get_string(value));
	else if (option->type == OPTION_BOOLEAN)
		*(bool *) field = json_object_get_boolean(value);
	else
	{
		if (!(number >= option->min && number <= option->max) ||
			(option->type == OPTION_INTEGER && number != (double) (int64_t) number))
			refuse(ctx, option, value, ML_ERROR_INVALID_PARAMETER);
		if (option->type == OPTION_INTEGER)
			*(int64_t *) field = (int64_t) number;
		else
			*(double *) field = number;
	}
}

/* Put a default into its field. */
static void
take_default(const Option *option, void *field)
{
	switch (option->type)
	{
		case OPTION_TEXT:
			*(const char **) field = NULL;
			break;
		case OPTION_CHOICE:
			*(int *) field = (int) option->default_value;
			break;
		case OPTION_INTEGER:
			*(int64_t *) field = (int64_t) option->default_value;
			break;
		case OPTION_REAL:
			*(double *) field = option->default_value;
			break;
		case OPTION_BOOLEAN:
			*(bool *) field = option->default_value != 0;
			break;
	}
}

/* Raise where options contradict each other. */
static void
check(MlContext *ctx, const MlExplainOptions *options, json_object *object)
{
	static const char *const only[] = {"background", "background_rows", "seed"};
	bool		interventional = options->method == ML_METHOD_INTERVENTIONAL;

	if (interventional && options->background == NULL)
		ml_raise_full(ctx, ML_ERROR_INVALID_PARAMETER, "method \"interventional\" needs option \"background\"", NULL,
					  "Name a table or view, or give one SELECT, of rows to compare with.");
	for (size_t i = 0; i < sizeof(only) / sizeof(only[0]) && !interventional; i++)
		if (json_object_object_get_ex(object, only[i], NULL))
			ml_raise_full(ctx, ML_ERROR_INVALID_PARAMETER,
						  ml_format(ctx, "option \"%s\" is for method \"interventional\"", only[i]), NULL,
						  "Add \"method\": \"interventional\", or leave the option out.");
}

void
ml_explain_options_parse(MlContext *ctx, const char *json, MlExplainUse use, MlExplainOptions *options)
{
	json_object *object = ml_json_object(ctx, json, "options");
	const char *names[OPTIONS];
	size_t		n = 0;

	for (size_t i = 0; i < OPTIONS; i++)
		if (option_table[i].uses & use)
			names[n++] = option_table[i].name;
	ml_json_check_keys(ctx, object, "options", names, n);
	for (size_t i = 0; i < OPTIONS; i++)
	{
		json_object *value;

		take_default(&option_table[i], (char *) options + option_table[i].offset);
		if (json_object_object_get_ex(object, option_table[i].name, &value))
			take_value(ctx, &option_table[i], value, (char *) options + option_table[i].offset);
	}
	if (use & SHAP)
		check(ctx, options, object);
	if (options->low > options->high)
		ml_raise(ctx, ML_ERROR_INVALID_PARAMETER, "option \"low\" must not be above option \"high\"");
}
