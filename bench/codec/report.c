/*
 * report.c
 *	  What the benchmark says: the readable table, the targets, the JSON file.
 *
 * The targets are those the codecs were built to: they are judged here and nowhere
 * else, on what was measured in the same run.
 */
#include "report.h"

#include <inttypes.h>
#include <string.h>

#include <zstd.h>

#define MOST_OF_GORILLA 0.45  /* bytes of the quiet mix */
#define LEAST_ENCODE    40e6  /* values/s over the mix */
#define LEAST_DECODE    500e6 /* values/s over the mix */
#define LEAST_GORILLA   2.0   /* times its decoding, over the mix */
#define LEAST_SHOWN     0.02  /* share of values encoded in one way */

static double
bytes_per_value(const BenchResult *result)
{
	return (double) result->bytes / (double) result->values;
}

static int
smaller_baseline(const BenchRow *row)
{
	return row->results[BENCH_GORILLA].bytes < row->results[BENCH_ZSTD].bytes
			   ? BENCH_GORILLA
			   : BENCH_ZSTD;
}

/* ---- targets ---- */

static void
target_never_larger(const BenchTable *table, BenchTarget *target)
{
	size_t used = 0;
	const char *separator = "";

	target->what = "no kind larger than the smaller baseline";
	target->reached = true;
	target->figure[0] = '\0';
	for (int k = 0; k < table->kinds; k++)
	{
		const BenchRow *row = &table->rows[k];
		int other = smaller_baseline(row);

		if (row->results[BENCH_OURS].bytes <= row->results[other].bytes)
			continue;
		target->reached = false;
		if (used < sizeof(target->figure))
			used += (size_t) snprintf(
				target->figure + used, sizeof(target->figure) - used,
				"%s%s %.4f > %.4f (%s)", separator, row->name,
				bytes_per_value(&row->results[BENCH_OURS]),
				bytes_per_value(&row->results[other]), bench_contenders[other].name);
		separator = ", ";
	}
	if (target->reached)
		snprintf(target->figure, sizeof(target->figure), "none of %d", table->kinds);
}

static void
target_smaller_mix(const BenchTable *table, BenchTarget *target)
{
	size_t ours = 0;
	size_t gorilla = 0;

	for (int k = 0; k < table->kinds; k++)
	{
		const BenchRow *row = &table->rows[k];

		if (row->mix != BENCH_MIX_YES)
			continue;
		ours += row->results[BENCH_OURS].bytes;
		gorilla += row->results[BENCH_GORILLA].bytes;
	}
	target->what = "mix without random: at most 0.45 of Gorilla's bytes";
	target->reached = (double) ours <= MOST_OF_GORILLA * (double) gorilla;
	snprintf(target->figure, sizeof(target->figure), "%.3f",
			 (double) ours / (double) gorilla);
}

static void
target_speed(const char *what, const BenchSpeed *speed, double least, BenchTarget *target)
{
	target->what = what;
	target->reached = speed->median >= least;
	snprintf(target->figure, sizeof(target->figure), "%.0f M/s", speed->median / 1e6);
}

int
bench_targets(const BenchTable *table, BenchTarget *targets)
{
	const BenchResult *results = table->mix.results;
	double times;

	target_never_larger(table, &targets[0]);
	target_smaller_mix(table, &targets[1]);
	if (!table->timed)
		return BENCH_SIZE_TARGETS;
	target_speed("mix: encode at least 40 M values/s", &results[BENCH_OURS].encode,
				 LEAST_ENCODE, &targets[2]);
	target_speed("mix: decode at least 500 M values/s", &results[BENCH_OURS].decode,
				 LEAST_DECODE, &targets[3]);
	times = bench_ratio(&results[BENCH_OURS].decode, &results[BENCH_GORILLA].decode);
	targets[4].what = "mix: decode at least twice as fast as Gorilla";
	targets[4].reached = times >= LEAST_GORILLA;
	snprintf(targets[4].figure, sizeof(targets[4].figure), "%.2f times", times);
	return BENCH_TARGETS;
}

bool
bench_lossless(const BenchTable *table)
{
	for (int k = 0; k < table->kinds; k++)
	{
		for (int c = 0; c < BENCH_CONTENDERS; c++)
		{
			if (!table->rows[k].results[c].lossless)
				return false;
		}
	}
	return true;
}

/* ---- the readable table ---- */

static void
print_row(FILE *out, const BenchRow *row)
{
	fprintf(out, "%-18s", row->name);
	for (int c = 0; c < BENCH_COMPARED; c++)
		fprintf(out, " %8.4f", bytes_per_value(&row->results[c]));
	fputs("  ", out);
	for (int c = 0; c < BENCH_COMPARED; c++)
		fprintf(out, " %7.0f", row->results[c].encode.median / 1e6);
	fputs("  ", out);
	for (int c = 0; c < BENCH_COMPARED; c++)
		fprintf(out, " %7.0f", row->results[c].decode.median / 1e6);
	fputs("\n", out);
}

static void
print_head(FILE *out)
{
	fprintf(out, "%-18s %-27s  %-24s  %-24s\n%-18s", "", "bytes/value",
			" encode, M values/s", " decode, M values/s", "kind");
	for (int c = 0; c < BENCH_COMPARED; c++)
		fprintf(out, " %8s", bench_contenders[c].name);
	for (int way = 0; way < 2; way++)
	{
		fputs("  ", out);
		for (int c = 0; c < BENCH_COMPARED; c++)
			fprintf(out, " %7s", bench_contenders[c].name);
	}
	fputs("\n", out);
}

static void
print_choices(FILE *out, const BenchRow *row)
{
	const BenchResult *ours = &row->results[BENCH_OURS];

	for (int i = 0; i < ours->choices.count; i++)
	{
		const BenchChoice *choice = &ours->choices.choice[i];
		double share = (double) choice->values / (double) ours->values;

		if (i > 0 && share < LEAST_SHOWN)
			break;
		fprintf(out, "%-18s %5.1f %% of values, %7.4f bytes/value: %s\n",
				i == 0 ? row->name : "", 100 * share,
				choice->bytes / (double) choice->values, choice->text);
	}
}

/* ---- each encoding by itself ---- */

typedef enum Figure
{
	FIGURE_BYTES,
	FIGURE_ENCODE,
	FIGURE_DECODE
} Figure;

static void
print_encodings_row(FILE *out, const BenchRow *row, Figure figure)
{
	fprintf(out, "%-18s", row->name);
	for (int c = BENCH_COMPARED; c < BENCH_CONTENDERS; c++)
	{
		const BenchResult *result = &row->results[c];

		if (figure == FIGURE_BYTES)
			fprintf(out, " %8.4f", bytes_per_value(result));
		else
			fprintf(
				out, " %8.0f",
				(figure == FIGURE_ENCODE ? &result->encode : &result->decode)->median /
					1e6);
	}
	fputs("\n", out);
}

static void
print_encodings(FILE *out, const BenchTable *table)
{
	static const char *const titles[] = {
		[FIGURE_BYTES] = "bytes/value",
		[FIGURE_ENCODE] = "encode, M values/s",
		[FIGURE_DECODE] = "decode, M values/s",
	};

	for (Figure figure = FIGURE_BYTES; figure <= FIGURE_DECODE; figure++)
	{
		fprintf(out, "\neach encoding by itself: %s\n%-18s", titles[figure], "");
		for (int c = BENCH_COMPARED; c < BENCH_CONTENDERS; c++)
			fprintf(out, " %8s", bench_contenders[c].name);
		fputs("\n", out);
		for (int k = 0; k < table->kinds; k++)
			print_encodings_row(out, &table->rows[k], figure);
		print_encodings_row(out, &table->mix, figure);
		print_encodings_row(out, &table->quiet_mix, figure);
	}
}

void
bench_print(FILE *out, const char *build, const BenchTable *table)
{
	BenchTarget targets[BENCH_TARGETS];
	int judged = bench_targets(table, targets);

	fprintf(out,
			"\ncodec, build \"%s\": chunks of %zu values, %zu series of each kind\n\n",
			build, table->n, table->series);
	print_head(out);
	for (int k = 0; k < table->kinds; k++)
	{
		if (table->rows[k].mix != BENCH_MIX_NO)
			print_row(out, &table->rows[k]);
	}
	print_row(out, &table->mix);
	print_row(out, &table->quiet_mix);
	fputs("not in the mix:\n", out);
	for (int k = 0; k < table->kinds; k++)
	{
		if (table->rows[k].mix == BENCH_MIX_NO)
			print_row(out, &table->rows[k]);
	}
	fputs("\nwhat ours chose:\n", out);
	for (int k = 0; k < table->kinds; k++)
		print_choices(out, &table->rows[k]);
	print_encodings(out, table);
	fputs("\ntargets:\n", out);
	for (int i = 0; i < judged; i++)
		fprintf(out, "  %-8s %-52s %s\n", targets[i].reached ? "reached" : "MISSED",
				targets[i].what, targets[i].figure);
}

int
bench_print_smoke(FILE *out, const char *build, const BenchTable *tables, int count)
{
	int passed = 0;
	int failed = 0;

	for (int t = 0; t < count; t++)
	{
		BenchTarget targets[BENCH_TARGETS];
		int judged = bench_targets(&tables[t], targets);

		for (int i = 0; i < judged; i++)
		{
			targets[i].reached ? passed++ : failed++;
			if (!targets[i].reached)
				fprintf(out, "codec, build \"%s\", %zu values: missed: %s: %s\n", build,
						tables[t].n, targets[i].what, targets[i].figure);
		}
		for (int k = 0; k < tables[t].kinds; k++)
		{
			const BenchRow *row = &tables[t].rows[k];

			for (int c = 0; c < BENCH_CONTENDERS; c++)
			{
				row->results[c].lossless ? passed++ : failed++;
				if (!row->results[c].lossless)
					fprintf(out,
							"codec, build \"%s\", %zu values: %s does not give %s back\n",
							build, tables[t].n, bench_contenders[c].name, row->name);
			}
		}
	}
	fprintf(out, "%d passed, %d failed\n", passed, failed);
	return failed;
}

/* ---- the file ---- */

/* Our texts hold no character that JSON would want escaped but these. */
static void
json_text(FILE *out, const char *text)
{
	fputc('"', out);
	for (; *text != '\0'; text++)
	{
		if (*text == '"' || *text == '\\')
			fputc('\\', out);
		fputc(*text, out);
	}
	fputc('"', out);
}

static void
json_speed(FILE *out, const char *name, const BenchSpeed *speed)
{
	fprintf(
		out,
		",\n\"%s_values_per_second\": {\"median\": %.0f, \"min\": %.0f, \"max\": %.0f}",
		name, speed->median, speed->least, speed->most);
}

static void
json_result(FILE *out, const BenchResult *result, bool timed)
{
	fprintf(
		out,
		"{\"chunks\": %zu, \"values\": %zu, \"bytes\": %zu, \"bytes_per_value\": %.6f, "
		"\"lossless\": %s, \"digest\": \"%016" PRIx64 "\"",
		result->chunks, result->values, result->bytes, bytes_per_value(result),
		result->lossless ? "true" : "false", result->digest);
	if (timed)
	{
		json_speed(out, "encode", &result->encode);
		json_speed(out, "decode", &result->decode);
	}
	for (int i = 0; i < result->choices.count; i++)
	{
		const BenchChoice *choice = &result->choices.choice[i];

		fputs(i == 0 ? ",\n\"choices\": [{\"encoding\": " : ", {\"encoding\": ", out);
		json_text(out, choice->text);
		fprintf(out, ", \"values\": %zu, \"bytes_per_value\": %.6f}", choice->values,
				choice->bytes / (double) choice->values);
	}
	if (result->choices.count > 0)
		fputs("]", out);
	fputs("}", out);
}

static void
json_row(FILE *out, const BenchRow *row, bool timed)
{
	fputs("{\"name\": ", out);
	json_text(out, row->name);
	fputs(", \"about\": ", out);
	json_text(out, row->about);
	fprintf(out, ", \"in_mix\": %s", row->mix != BENCH_MIX_NO ? "true" : "false");
	for (int c = 0; c < BENCH_CONTENDERS; c++)
	{
		if (c == BENCH_COMPARED)
			fputs(",\n\"each_encoding\": {", out);
		fprintf(out, "%s\n\"%s\": ", c == BENCH_COMPARED ? "" : ",",
				bench_contenders[c].name);
		json_result(out, &row->results[c], timed);
	}
	fputs("}}", out);
}

static void
json_table(FILE *out, const BenchTable *table)
{
	BenchTarget targets[BENCH_TARGETS];
	int judged = bench_targets(table, targets);

	fprintf(out, "{\"chunk_values\": %zu, \"series_of_each_kind\": %zu,\n\"kinds\": [",
			table->n, table->series);
	for (int k = 0; k < table->kinds; k++)
	{
		fputs(k == 0 ? "\n" : ",\n", out);
		json_row(out, &table->rows[k], table->timed);
	}
	fputs("]", out);
	if (table->timed)
	{
		fputs(",\n\"mix\": ", out);
		json_row(out, &table->mix, true);
		fputs(",\n\"mix_without_random\": ", out);
		json_row(out, &table->quiet_mix, true);
	}
	fputs(",\n\"targets\": [", out);
	for (int i = 0; i < judged; i++)
	{
		fputs(i == 0 ? "\n{\"what\": " : ",\n{\"what\": ", out);
		json_text(out, targets[i].what);
		fprintf(out,
				", \"reached\": %s, \"figure\": ", targets[i].reached ? "true" : "false");
		json_text(out, targets[i].figure);
		fputs("}", out);
	}
	fputs("]}", out);
}

bool
bench_write_json(const char *path, const char *build, const BenchTable *tables, int count)
{
	FILE *out = fopen(path, "w");
	bool ok;

	if (out == NULL)
	{
		perror(path);
		return false;
	}
	fprintf(out,
			"{\"build\": \"%s\", \"rounds\": %d, \"versions\": {\"zstd\": \"%s\"},\n",
			build, BENCH_ROUNDS, ZSTD_versionString());
	fputs("\"tables\": [", out);
	for (int t = 0; t < count; t++)
	{
		fputs(t == 0 ? "\n" : ",\n", out);
		json_table(out, &tables[t]);
	}
	fputs("]}\n", out);
	ok = !ferror(out);
	ok = fclose(out) == 0 && ok;
	if (!ok)
		perror(path);
	return ok;
}
