/* odr.exe: the on-device agent registry's tool, with a file instead of the registry.
 *
 * Syntax: https://learn.microsoft.com/windows/ai/mcp/odr-tool. Output of `mcp list` in both forms: a list of
 * manifests (2025, with DOUBLE_ODR_GENERATION=1) and structuredContent (since March 2026).
 * The registry is the folder DOUBLE_ODR_STATE, a manifest for each server in it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

enum { MOST_MANIFEST = 1 << 20, MOST_NAME = 128 };

static char *read_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return NULL;
    char *text = calloc(1, MOST_MANIFEST);
    size_t length = fread(text, 1, MOST_MANIFEST - 1, file);
    fclose(file);
    text[length] = 0;
    return text;
}

/* The value of the first "name" of a manifest: its own, as every manifest has it before its tools'. */
static int name_of(const char *manifest, char *name)
{
    const char *key = strstr(manifest, "\"name\"");
    const char *from = key ? strchr(key + 6, '"') : NULL;
    const char *to = from ? strchr(from + 1, '"') : NULL;
    if (!to || to - from - 1 >= MOST_NAME)
        return 0;
    memcpy(name, from + 1, to - from - 1);
    name[to - from - 1] = 0;
    return 1;
}

static void path_of(const char *name, char *path)
{
    const char *folder = getenv("DOUBLE_ODR_STATE");
    snprintf(path, MAX_PATH, "%s\\%s.json", folder ? folder : ".", name);
}

static int add(const char *given)
{
    char name[MOST_NAME], path[MAX_PATH];
    char *manifest = read_file(given);
    if (!manifest) {
        fprintf(stderr, "The manifest %s cannot be read.\n", given);
        return 2;
    }
    if (!name_of(manifest, name) || !strstr(manifest, "\"static_responses\"")) {
        fprintf(stderr, "The manifest has no name or no static responses.\n");
        return 3;
    }
    path_of(name, path);
    FILE *file = fopen(path, "wb");
    fwrite(manifest, 1, strlen(manifest), file);
    fclose(file);
    printf("{\"server\": \"%s\"}\n", name);
    return 0;
}

static int drop(const char *identifier)
{
    char path[MAX_PATH];
    path_of(strncmp(identifier, "double-", 7) ? identifier : identifier + 7, path);
    if (remove(path)) {
        fprintf(stderr, "There is no server %s.\n", identifier);
        return 4;
    }
    return 0;
}

static int list(void)
{
    char pattern[MAX_PATH], path[MAX_PATH], name[MOST_NAME];
    const char *separator = "", *generation = getenv("DOUBLE_ODR_GENERATION");
    int first = generation && *generation == '1';
    WIN32_FIND_DATAA found;
    path_of("*", pattern);
    fputs(first ? "[" : "{\"structuredContent\":{\"servers\":[", stdout);
    HANDLE search = FindFirstFileA(pattern, &found);
    for (BOOL more = search != INVALID_HANDLE_VALUE; more; more = FindNextFileA(search, &found)) {
        found.cFileName[strlen(found.cFileName) - 5] = 0; /* .json */
        path_of(found.cFileName, path);
        char *manifest = read_file(path);
        name_of(manifest, name);
        if (first)
            printf("%s{\"manifest\":%s}", separator, manifest);
        else
            printf("%s{\"server\":{\"name\":\"%s\",\"packages\":[{\"identifier\":\"double-%s\"}]}}", separator, name, name);
        separator = ",";
    }
    fputs(first ? "]\n" : "]}}\n", stdout);
    return 0;
}

int main(int count, char **arguments)
{
    const char *failure = getenv("DOUBLE_ODR_ERROR");
    if (failure) {
        fprintf(stderr, "%s\n", failure);
        return 5;
    }
    if (count == 3 && !strcmp(arguments[1], "mcp") && !strcmp(arguments[2], "list"))
        return list();
    if (count == 4 && !strcmp(arguments[1], "mcp") && !strcmp(arguments[2], "add"))
        return add(arguments[3]);
    if (count == 4 && !strcmp(arguments[1], "mcp") && !strcmp(arguments[2], "remove"))
        return drop(arguments[3]);
    fprintf(stderr, "odr [command] [options]\n");
    return 1;
}
