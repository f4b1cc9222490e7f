/*
 * Conditions of routes.
 *
 *   condition   term { AND term }
 *   term        operand operator constant | operand IS [ NOT ] NULL
 *   operand     column | "quoted column" | SETTING 'name'
 *   operator    = <> != < <= > >=
 *   constant    number | 'text' | TRUE | FALSE
 *
 * A number is compared with the number that the value's text is, text with the text byte by byte.  What
 * has no value, or is no number where one is compared with, makes the term false.
 */
#include "postgres.h"

#include "pg/route_condition.h"

#include <ctype.h>

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "parser/scansup.h"
#include "utils/builtins.h"
#include "utils/guc.h"

#include "pg/features.h"

/* Most terms of a condition, and most bytes. */
#define MAX_TERMS 32
#define MAX_BYTES 2000

typedef enum TermOperator
{
	TERM_EQUAL,
	TERM_UNEQUAL,
	TERM_LESS,
	TERM_LESS_EQUAL,
	TERM_GREATER,
	TERM_GREATER_EQUAL,
	TERM_IS_NULL,
	TERM_IS_NOT_NULL
} TermOperator;

/* How the operators are written, in the order of TermOperator; longer ones are tried first. */
static const struct
{
	const char *text;
	TermOperator op;
}			operators[] = {
	{"<>", TERM_UNEQUAL}, {"!=", TERM_UNEQUAL}, {"<=", TERM_LESS_EQUAL}, {">=", TERM_GREATER_EQUAL},
	{"=", TERM_EQUAL}, {"<", TERM_LESS}, {">", TERM_GREATER}
};

typedef struct Term
{
	bool		setting;
	char	   *name;
	TermOperator op;
	char	   *text;			/* compared with; NULL when it is a number */
	double		number;
} Term;

struct RouteCondition
{
	int			count;
	Term		terms[MAX_TERMS];
};

/* Where reading is. */
typedef struct Reader
{
	const char *text;
	const char *p;
} Reader;

/* ---- reading ---- */

/* Error: something else was expected where reading is. */
static void
pg_attribute_noreturn()
refuse(const Reader *reader, const char *expected)
{
	const char *at = reader->p;

	ereport(ERROR,
			(errcode(ERRCODE_SYNTAX_ERROR),
			 *at == '\0' ? errmsg("condition ends where %s is expected", expected) :
			 errmsg("%s is expected in the condition at \"%.*s\"", expected,
					pg_mbcliplen(at, (int) strlen(at), 40), at),
			 errhint("A condition is like: plan = 'pro' and age >= 30. Several routes stand for OR.")));
}

static void
skip_space(Reader *reader)
{
	reader->p += strspn(reader->p, " \t\r\n\f\v");
}

/* Tell whether a character may stand in an identifier that is not quoted. */
static bool
is_identifier(char c, bool first)
{
	return isalpha((unsigned char) c) || c == '_' || IS_HIGHBIT_SET(c) ||
		(!first && (isdigit((unsigned char) c) || c == '$'));
}

/* The bytes of the word at hand, 0 when there is none. */
static size_t
word_length(const char *p)
{
	size_t		length = 0;

	while (is_identifier(p[length], length == 0))
		length++;
	return length;
}

/* Go behind a keyword when it is the next word. */
static bool
accept_word(Reader *reader, const char *word)
{
	skip_space(reader);
	if (word_length(reader->p) != strlen(word) || pg_strncasecmp(reader->p, word, strlen(word)) != 0)
		return false;
	reader->p += strlen(word);
	return true;
}

/* What stands between two quotes, a doubled one being itself. */
static char *
read_quoted(Reader *reader, const char *expected)
{
	char		quote = *reader->p;
	StringInfoData string;

	initStringInfo(&string);
	for (reader->p++;; reader->p++)
	{
		if (*reader->p == '\0')
			refuse(reader, expected);
		if (*reader->p == quote && *++reader->p != quote)
			return string.data;
		appendStringInfoChar(&string, *reader->p);
	}
}

/* The column or setting of a term. */
static void
read_operand(Reader *reader, Term *term)
{
	size_t		length;

	skip_space(reader);
	if (*reader->p == '"')
	{
		term->name = read_quoted(reader, "the end of a quoted name");
		return;
	}
	length = word_length(reader->p);
	if (length == 0)
		refuse(reader, "a column");
	term->name = downcase_identifier(reader->p, (int) length, false, false);
	reader->p += length;
	skip_space(reader);
	if (strcmp(term->name, "setting") != 0 || *reader->p != '\'')
		return;
	term->setting = true;
	term->name = read_quoted(reader, "the end of a setting's name");
	/* those of an application: others may be secret */
	if (strchr(term->name, '.') == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("setting \"%s\" cannot be asked for in a condition", term->name),
				 errhint("Settings of an application have a dot in their name, such as app.tenant.")));
}

/* The operator of a term. */
static void
read_operator(Reader *reader, Term *term)
{
	if (accept_word(reader, "is"))
	{
		term->op = accept_word(reader, "not") ? TERM_IS_NOT_NULL : TERM_IS_NULL;
		if (!accept_word(reader, "null"))
			refuse(reader, "NULL");
		return;
	}
	for (size_t i = 0; i < lengthof(operators); i++)
		if (strncmp(reader->p, operators[i].text, strlen(operators[i].text)) == 0)
		{
			term->op = operators[i].op;
			reader->p += strlen(operators[i].text);
			return;
		}
	refuse(reader, "an operator");
}

/* The constant of a term. */
static void
read_constant(Reader *reader, Term *term)
{
	size_t		length;

	skip_space(reader);
	if (*reader->p == '\'')
	{
		term->text = read_quoted(reader, "the end of a text");
		return;
	}
	if (accept_word(reader, "true"))
	{
		term->text = "true";
		return;
	}
	if (accept_word(reader, "false"))
	{
		term->text = "false";
		return;
	}
	length = strspn(reader->p, "+-.0123456789eE");
	if (length == 0 || !text_number(reader->p, length, &term->number) || is_special(term->number))
		refuse(reader, "a number, a text in single quotes, true or false");
	reader->p += length;
}

/* Read a condition. */
RouteCondition *
route_condition_parse(const char *text)
{
	RouteCondition *condition = palloc0(sizeof(RouteCondition));
	Reader		reader = {text, text};

	if (strlen(text) > MAX_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("condition is longer than %d bytes", MAX_BYTES)));
	do
	{
		Term	   *term;

		if (condition->count == MAX_TERMS)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("condition has more than %d terms", MAX_TERMS)));
		term = &condition->terms[condition->count++];
		read_operand(&reader, term);
		skip_space(&reader);
		read_operator(&reader, term);
		if (term->op != TERM_IS_NULL && term->op != TERM_IS_NOT_NULL)
			read_constant(&reader, term);
	} while (accept_word(&reader, "and"));
	skip_space(&reader);
	if (*reader.p != '\0')
		refuse(&reader, "AND or the end");
	return condition;
}

/* ---- deciding ---- */

/* Does an order (negative, 0, positive) satisfy an operator? */
static bool
order_satisfies(int order, TermOperator op)
{
	switch (op)
	{
		case TERM_EQUAL:
			return order == 0;
		case TERM_UNEQUAL:
			return order != 0;
		case TERM_LESS:
			return order < 0;
		case TERM_LESS_EQUAL:
			return order <= 0;
		case TERM_GREATER:
			return order > 0;
		case TERM_GREATER_EQUAL:
			return order >= 0;
		default:
			return false;
	}
}

/* Does a term hold? */
static bool
term_holds(const Term *term, const RouteInput *input)
{
	const char *value = term->setting ? GetConfigOption(term->name, true, false) : input->value(input->arg, term->name);
	double		number;

	if (term->op == TERM_IS_NULL || term->op == TERM_IS_NOT_NULL)
		return (value == NULL) == (term->op == TERM_IS_NULL);
	if (value == NULL)
		return false;
	if (term->text != NULL)
		return order_satisfies(strcmp(value, term->text), term->op);
	if (!text_number(value, strlen(value), &number) || isnan(number))
		return false;
	return order_satisfies((number > term->number) - (number < term->number), term->op);
}

/* Does a condition hold? */
bool
route_condition_holds(const RouteCondition *condition, const RouteInput *input)
{
	for (int i = 0; i < condition->count; i++)
		if (!term_holds(&condition->terms[i], input))
			return false;
	return true;
}

/* Visit the columns of a condition. */
void
route_condition_columns(const RouteCondition *condition,
									void (*visit) (const char *column, void *arg), void *arg)
{
	for (int i = 0; i < condition->count; i++)
		if (!condition->terms[i].setting)
			visit(condition->terms[i].name, arg);
}
