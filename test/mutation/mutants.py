#!/usr/bin/env python3
"""
The mutants: what test/mutation/mutants says, checked and applied.

    mutants.py list TREE            name and tests of each, one a line; fails if one cannot be applied, or is there twice
    mutants.py apply TREE NAME      changes its file in TREE
    mutants.py restore TREE NAME    puts it back

A mutant is a head, `@ name | file | tests`, then lines `- ` of the text to be replaced and lines `+ ` of what takes its place
(none: it is deleted). The text must occur in the file exactly once, so that the list cannot rot. Tests are
`kind test test; kind test`, of the kinds reg (sql/NAME.sql), iso (test/isolation/specs/NAME.spec) and tap (test/tap/NAME.pl),
the cheapest that should notice it first. Lines that begin with # are comments.
"""

import os
import re
import sys

KINDS = {'reg': 'sql/{}.sql', 'iso': 'test/isolation/specs/{}.spec', 'tap': 'test/tap/{}.pl'}


def read_mutants(tree):
    mutants = []
    with open(os.path.join(tree, 'test/mutation/mutants'), encoding='utf-8') as table:
        for number, line in enumerate(table, 1):
            line = line.rstrip('\n')
            if line.startswith('@ '):
                name, file, tests = (part.strip() for part in line[2:].split('|'))
                mutants.append({'name': name, 'file': file, 'tests': tests, 'old': [], 'new': []})
            elif line[:2] in ('- ', '-'):
                mutants[-1]['old'].append(line[2:])
            elif line[:2] in ('+ ', '+'):
                mutants[-1]['new'].append(line[2:])
            elif line and not line.startswith('#'):
                raise ValueError(f'mutants:{number}: neither head, text nor comment: {line}')
    return mutants


def path_of(tree, mutant):
    return os.path.join(tree, mutant['file'])


def read_file(path):
    with open(path, encoding='utf-8') as file:
        return file.read()


def mutated(tree, mutant):
    old = '\n'.join(mutant['old'])
    text = read_file(path_of(tree, mutant))
    n = text.count(old) if old else 0
    if n != 1:
        raise ValueError(f"{mutant['name']}: its text is {n} times in {mutant['file']}, and not once")
    if not mutant['new']:
        # a deleted line takes its end with it
        return text.replace(old + '\n', '') if old + '\n' in text else text.replace(old, '')
    return text.replace(old, '\n'.join(mutant['new']))


def tests_of(mutant):
    """[(kind, name)]"""
    result = []
    for group in mutant['tests'].split(';'):
        kind, *names = group.split()
        result += [(kind, name) for name in names]
    return result


def faults_of(tree, mutants):
    names = [mutant['name'] for mutant in mutants]
    for mutant in mutants:
        if names.count(mutant['name']) > 1 or not re.fullmatch(r'[a-z0-9_]+', mutant['name']):
            yield f"{mutant['name']}: a name is one of its own, of a-z, 0-9 and _"
        try:
            mutated(tree, mutant)
        except (OSError, ValueError) as fault:
            yield str(fault)
        for kind, name in tests_of(mutant):
            if kind not in KINDS or not os.path.exists(os.path.join(tree, KINDS[kind].format(name))):
                yield f"{mutant['name']}: there is no test {kind} {name}"


def list_all(tree, mutants):
    faults = list(faults_of(tree, mutants))
    for fault in faults:
        print(fault, file=sys.stderr)
    for mutant in mutants:
        print(mutant['name'], ' '.join(f'{kind}:{name}' for kind, name in tests_of(mutant)))
    return 1 if faults else 0


def main():
    command, tree = sys.argv[1:3]
    mutants = read_mutants(tree)
    if command == 'list':
        return list_all(tree, mutants)
    mutant = next(m for m in mutants if m['name'] == sys.argv[3])
    path = path_of(tree, mutant)
    if command == 'apply':
        text = mutated(tree, mutant)
        os.rename(path, path + '.kept')
        with open(path, 'w', encoding='utf-8') as file:
            file.write(text)
    else:
        # as new, so that make builds it again
        os.rename(path + '.kept', path)
        os.utime(path)
    return 0


if __name__ == '__main__':
    sys.exit(main())
