/*
 * stats_process.c
 *	  /metrics: all figures, and those of the processes that serve HTTP.
 *
 * Figures of the process that answers have the names that Prometheus' client libraries
 * give them. What cannot be found out (there is no /proc) is left out.
 */
#include "postgres.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "miscadmin.h"

#include "metrics_text.h"
#include "serve_processes.h"
#include "stats.h"

static void
tell(MetricsSink *sink, const MetricsFamily *family, double value)
{
	MetricsSample sample = {.suffix = family->kind == METRICS_COUNTER ? "_total" : "",
							.value = value};

	sink->family(sink, family);
	sink->sample(sink, family, &sample);
}

static bool
read_line(const char *path, char *line, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len;

	if (fd < 0)
		return false;
	len = read(fd, line, size - 1);
	close(fd);
	line[Max(len, 0)] = '\0';
	return len > 0;
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

	if (!read_line("/proc/self/statm", line, sizeof(line)) ||
		sscanf(line, "%lu %lu", &pages[0], &pages[1]) != 2)
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

/* ---- of all that serve ---- */

bool
stats_process(int index, StatsProcess *found)
{
	static const char *const kinds[] = {
		[SERVE_GATE] = "gate", [SERVE_INGEST] = "ingest", [SERVE_QUERY] = "query"};
	ServeProcess *process = &serve_shared->processes[index];
	int first = index;

	Assert(index < serve_process_count());
	while (first > 0 && serve_shared->processes[first - 1].kind == process->kind)
		first--;
	found->kind = kinds[process->kind];
	found->number = index - first + 1;
	found->request = pg_atomic_read_u64(&process->running);
	SpinLockAcquire(&serve_shared->mutex);
	found->pid = process->pid;
	SpinLockRelease(&serve_shared->mutex);
	return found->pid != 0;
}

/* What /proc/PID/stat says: CPU time in ticks, and resident pages. */
static bool
read_usage(pid_t pid, uint64 *ticks, int64 *pages)
{
	char path[64];
	char line[1024];
	const char *rest;
	unsigned long user, system;
	long resident;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int) pid);
	/* The second field is a name in parentheses that may hold anything. */
	if (!read_line(path, line, sizeof(line)) || (rest = strrchr(line, ')')) == NULL ||
		sscanf(rest,
			   ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %*d %*d %*d %*d "
			   "%*d %*d %*u %*u %ld",
			   &user, &system, &resident) != 3)
		return false;
	*ticks = (uint64) user + system;
	*pages = resident;
	return true;
}

static void
tell_usage(MetricsSink *sink, const MetricsFamily *family, bool cpu)
{
	double tick = 1.0 / (double) sysconf(_SC_CLK_TCK);
	double page = (double) sysconf(_SC_PAGESIZE);

	sink->family(sink, family);
	for (int i = 0; i < serve_process_count(); i++)
	{
		StatsProcess process;
		char number[12];
		uint64 ticks;
		int64 pages;
		MetricsSample sample = {.suffix = cpu ? "_total" : "", .nlabels = 2};

		if (!stats_process(i, &process) || !read_usage(process.pid, &ticks, &pages))
			continue;
		snprintf(number, sizeof(number), "%d", process.number);
		sample.labels[0] = (MetricsLabel){"kind", process.kind};
		sample.labels[1] = (MetricsLabel){"number", number};
		sample.value = cpu ? (double) ticks * tick : (double) pages * page;
		sink->sample(sink, family, &sample);
	}
}

static void
tell_workers(MetricsSink *sink)
{
	static const MetricsFamily cpu = {
		"mytsdb_process_cpu_seconds", METRICS_COUNTER, "seconds",
		"User and system CPU time of each process that serves HTTP."};
	static const MetricsFamily memory = {
		"mytsdb_process_resident_memory_bytes", METRICS_GAUGE, "bytes",
		"Resident memory of each process that serves HTTP, of which most is shared."};

	tell_usage(sink, &cpu, true);
	tell_usage(sink, &memory, false);
}

void
stats_tell_processes(MetricsSink *sink)
{
	tell_process(sink);
	tell_workers(sink);
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
	stats_tell_processes(&text.sink);
	metrics_text_end(&text);
}
