// floor OBJECT VARIANT PID: attaches the programs whose names begin with VARIANT_, says "attached" and waits for the end of
// stdin.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

static int fail(const char *what)
{
	perror(what);
	return 1;
}

int main(int argc, char **argv)
{
	if (argc != 4)
		return fprintf(stderr, "usage: floor OBJECT VARIANT PID\n"), 64;
	char prefix[64];
	snprintf(prefix, sizeof prefix, "%s_", argv[2]);
	struct bpf_object *object = bpf_object__open_file(argv[1], NULL);
	if (!object)
		return fail("open");
	struct bpf_program *program;
	bpf_object__for_each_program(program, object)
		bpf_program__set_autoload(program, !strncmp(bpf_program__name(program), prefix, strlen(prefix)));
	size_t size;
	struct bpf_map *map = bpf_object__find_map_by_name(object, ".rodata");
	int *target = map ? (int *)bpf_map__initial_value(map, &size) : NULL;
	if (!target)
		return fprintf(stderr, "no .rodata\n"), 1;
	*target = atoi(argv[3]);
	if (bpf_object__load(object))
		return fail("load");
	__u32 zero = 0;
	__u64 one = 1;
	map = bpf_object__find_map_by_name(object, "original_capturing");
	if (!map || bpf_map_update_elem(bpf_map__fd(map), &zero, &one, BPF_ANY))
		return fail("original_capturing");
	int attached = 0;
	bpf_object__for_each_program(program, object)
		if (bpf_program__autoload(program)) {
			if (!bpf_program__attach(program))
				return fail(bpf_program__name(program));
			attached++;
		}
	if (!attached)
		return fprintf(stderr, "no variant %s\n", argv[2]), 64;
	puts("attached");
	fflush(stdout);
	while (getchar() != EOF)
		;
	return 0;
}
