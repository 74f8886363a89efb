/*
 * stats_process.c
 *	  /metrics: all figures, and what the process that answers knows of itself.
 *
 * The figures of a process have the names that Prometheus' client libraries give them.
 * What cannot be found out (there is no /proc) is left out.
 */
#include "postgres.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "miscadmin.h"

#include "metrics_text.h"
#include "stats.h"

static void
tell(MetricsSink *sink, const MetricsFamily *family, double value)
{
	MetricsSample sample = {.suffix = family->kind == METRICS_COUNTER ? "_total" : "",
							.value = value};

	sink->family(sink, family);
	sink->sample(sink, family, &sample);
}

/* ---- of this process ---- */

static void
tell_cpu(MetricsSink *sink)
{
	static const MetricsFamily family = {"process_cpu_seconds", METRICS_COUNTER,
										 "seconds",
										 "User and system CPU time of the process."};
	struct rusage usage;

	if (getrusage(RUSAGE_SELF, &usage) != 0)
		return;
	tell(sink, &family,
		 (double) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
			 (double) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / USECS_PER_SEC);
}

static void
tell_memory(MetricsSink *sink)
{
	static const MetricsFamily virtual_family = {"process_virtual_memory_bytes",
												 METRICS_GAUGE, "bytes",
												 "Virtual memory of the process."};
	static const MetricsFamily resident_family = {
		"process_resident_memory_bytes", METRICS_GAUGE, "bytes",
		"Resident memory of the process, of which most is shared."};
	double page = (double) sysconf(_SC_PAGESIZE);
	unsigned long pages[2];
	char line[128];
	int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	ssize_t len;

	if (fd < 0)
		return;
	len = read(fd, line, sizeof(line) - 1);
	close(fd);
	line[Max(len, 0)] = '\0';
	if (sscanf(line, "%lu %lu", &pages[0], &pages[1]) != 2)
		return;
	tell(sink, &virtual_family, (double) pages[0] * page);
	tell(sink, &resident_family, (double) pages[1] * page);
}

static void
tell_files(MetricsSink *sink)
{
	static const MetricsFamily open_family = {"process_open_fds", METRICS_GAUGE, NULL,
											  "Open file descriptors of the process."};
	static const MetricsFamily max_family = {"process_max_fds", METRICS_GAUGE, NULL,
											 "How many it may open."};
	DIR *dir = opendir("/proc/self/fd");
	struct rlimit limit;

	if (dir != NULL)
	{
		int count = -3; /* ., .., and the descriptor of this look */

		while (readdir(dir) != NULL)
			count++;
		closedir(dir);
		tell(sink, &open_family, count);
	}
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
		tell(sink, &max_family, (double) limit.rlim_cur);
}

static void
tell_process(MetricsSink *sink)
{
	static const MetricsFamily start = {"process_start_time_seconds", METRICS_GAUGE,
										"seconds",
										"When the process started, in Unix time."};

	tell_cpu(sink);
	tell_memory(sink);
	tell_files(sink);
	tell(sink, &start, stats_unix_time(MyStartTimestamp));
}

/* ---- /metrics ---- */

static void
append(void *arg, const char *data, size_t len)
{
	appendBinaryStringInfo((StringInfo) arg, data, (int) len);
}

void
serve_write_metrics(StringInfo out, bool openmetrics)
{
	MetricsText text;

	metrics_text_begin(&text, openmetrics, append, out);
	stats_tell(&text.sink);
	tell_process(&text.sink);
	metrics_text_end(&text);
}
