#include <stdio.h>

#include "cli/cli.h"

/*
 * dlog: the command line client. Exit codes: 0 done, 1 failed, 2 usage, 3 found damage.
 */
int main(int argc, char **argv)
{
    return cli_main(argc, argv, stdout, stderr);
}
