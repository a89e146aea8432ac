"""One construct of the template language each; an entry may bring variables of its own."""

VARIABLES = {
    "x": 7, "f": 2.5, "text": "Hello, wörld", "yes": True, "no": False, "nothing": None,
    "numbers": [3, 1, 2], "words": ["pear", "Apple", "fig"], "empty": [],
    "d": {"b": 1, "a": [1, 2.0, None, True], "items": "an element", "ключ": "значение"},
    "people": [{"name": "Ann", "age": 31, "tags": ["x", "y"]}, {"name": "bob", "age": 4, "tags": []},
               {"name": "Cy", "age": 31, "tags": ["z"], "nick": "C"}],
    "tree": [{"v": 1, "c": [{"v": 2, "c": []}, {"v": 3, "c": [{"v": 4, "c": []}]}]}, {"v": 5, "c": []}],
    "emoji": "a👩🏽‍🚀e\u0301ß",
}

WHITE_SPACE = [
    "a\n{% if yes %}\nb\n{% endif %}\nc\n", "a\n  {% if yes %}  \n b\n   {% endif %}\nc\n\n", "  {{ x }}  \n",
    "a {%- if yes -%} b {%- endif -%} c", "a\n\n{%- if yes %}\n\nb\n{%- endif %}\n\nc", "a\n  {%+ if yes %}b{% endif %}",
    "a\n{% if yes +%}\nb{% endif %}", "  {# note #}  \nb", "a {#- note -#}  b", "a\n  {# note #}\nb", "a{# x\ny #}\n\nb",
    "{{- x -}}  y  {{- x }}", "a\n {{- x }}\n", "{{ x }}\n", "{{ x }}\n\n", "\n{{ x }}", "a\r\nb\rc\n", "x\r\n",
    "  {% raw %} {{ x }} {% endraw %} \n z", "{%- raw -%}  {% if %}  {%- endraw -%}  z", "a\n  {% raw %}\nq\n  {% endraw %}\nb",
    "{% for i in numbers %}\n{{ i }}\n{% endfor %}", "{% for i in numbers -%}\n  {{ i }}\n{%- endfor %}",
    "a {% if yes %}\n  {% if no %}n{% else %}\n   m\n  {% endif %}\n{% endif %} z", "{% set q = 1 %}\n\n{{ q }}",
    "\t{% if yes %}\tx\t{% endif %}\t\ny", "x {% if yes %} y {% endif %}\n{% if yes %}z{% endif %}", "{{ 'a\nb' }}",
    "{%if yes%}tight{%endif%}", "{{x}}{{-x-}}", "a\u00a0\n\u2003{%- if yes %}b{% endif %}", "{{ {'a': {'b': 1}} }}",
    "{{ '}}' }} {{ \"%}\" }}", "{ {{ x }} } { % #} {", "{{ x }}{", "a\n {%- set q = 1 -%} \n b",
]

LITERALS = [
    "{{ 1 }} {{ -1 }} {{ 1_000 }} {{ 0x1F }} {{ 0o17 }} {{ 0b101 }} {{ 00 }}", "{{ 1.0 }} {{ 2.50 }} {{ 1e3 }} {{ 1.5e-7 }} {{ 1e16 }} {{ 1e15 }}",
    "{{ 0.0001 }} {{ 0.00001 }} {{ 123456789.123456789 }} {{ 1e22 }} {{ 1e100 }} {{ 0.1 + 0.2 }} {{ -0.0 }}",
    "{{ true }} {{ True }} {{ false }} {{ none }} {{ None }}", "{{ [1, 'a', none, true, 1.0] }} {{ [] }} {{ {} }} {{ () }} {{ (1,) }} {{ (1, 2) }}",
    "{{ {'a': 1, 2: [3], none: true} }}", r"{{ 'it\'s' }} {{ \"q\" }}", r"{{ ['it\'s', 'say \"x\"', 'both\'\"', 'tab\t\n\\'] }}",
    r"{{ '\x41\u00e9\U0001F600\101' }} {{ '\q' }} {{ 'a\
b' }}", "{{ 'a' 'b' \"c\" }}", "{{ ['é', '\u200b', '\x7f', '👍', '\u00a0', '\u0301'] }}", "{{ [1, 2,] }} {{ {'a': 1,} }}", "{{ 1, 2 }}",
    "{{ 'abc'[0] }}{{ [1, 2][-1] }}{{ numbers[0] }}{{ numbers.1 }}", "{{ 9223372036854775807 }}",
    r"{{ 'a\u0020b' | length }}",
]

OPERATORS = [
    "{{ 7 / 2 }} {{ 6 / 3 }} {{ 7 // 2 }} {{ -7 // 2 }} {{ 7 % 3 }} {{ -7 % 3 }} {{ 7 % -3 }}", "{{ 7.5 // 2 }} {{ -7.5 % 2 }} {{ 7.5 % -2 }} {{ -6.0 % 3 }}",
    "{{ 2 ** 10 }} {{ 2 ** -1 }} {{ 2 ** 0.5 }} {{ 2 ** 3 ** 2 }} {{ -2 ** 2 }}", "{{ 1 + 2 * 3 - 4 }} {{ (1 + 2) * 3 }} {{ 1 + 2.0 }} {{ true + true }}",
    "{{ 'a' ~ 1 ~ none ~ 2.0 ~ true ~ missing }}", "{{ 'a' + 'b' }} {{ 'ab' * 3 }} {{ 3 * 'ab' }} {{ [1] + [2] }} {{ [0] * 3 }} {{ 'a' * -1 }}",
    "{{ 1 < 2 <= 2 < 3 }} {{ 1 < 2 > 3 }} {{ 'a' < 'b' }} {{ [1, 2] < [1, 3] }} {{ 1 == 1.0 }} {{ 1 == true }} {{ '1' == 1 }}",
    "{{ not yes }} {{ not not 3 }} {{ 0 or 'x' }} {{ 3 and 0 }} {{ '' or none }} {{ none and 1 }} {{ yes and no or 5 }}",
    "{{ 1 in numbers }} {{ 9 not in numbers }} {{ 'ell' in text }} {{ 'b' in d }} {{ 'z' in d }} {{ 1 in (1, 2) }} {{ not 1 in numbers }}",
    "{{ 'a' if yes else 'b' }}{{ 'a' if no }}{{ 'a' if no else 'b' if no else 'c' }}", "{{ 1 / 0 }}", "{{ 1 // 0 }}", "{{ 1 % 0 }}", "{{ 1.0 / 0.0 }}",
    "{{ 'a' + 1 }}", "{{ 1 < 'a' }}", "{{ none + 1 }}", "{{ [1] + (2,) }}", "{{ -'a' }}", "{{ +3 }} {{ -x }} {{ - - 2 }}", "{{ 1 - -1 }} {{ 2 - 1 -1 }}",
    "{{ 'x' ~ 1 + 2 }}", "{{ numbers == [3, 1, 2] }} {{ d == d }} {{ (1,) == [1] }} {{ none == missing }} {{ missing == other }}",
    "{{ 10 % 3 ~ 4 }}", "{{ 'a' in 'abc' and 'd' not in 'abc' }}", "{{ 1 in 'abc' }}", "{{ 5 in 7 }}", "{{ x if x is defined and x > 3 else 0 }}",
    "{{ 2 * 3 ~ 4 * 5 }}", "{{ 9007199254740993 == 9007199254740992.0 }} {{ 1e400 if no else 3 }}", "{{ x is odd and f is float or no }}",
]

SUBSCRIPTS = [
    "{{ text[1:4] }}|{{ text[:3] }}|{{ text[-3:] }}|{{ text[::-1] }}|{{ text[::2] }}|{{ text[5:1:-1] }}|{{ text[10:2] }}",
    "{{ numbers[1:] }} {{ numbers[:-1] }} {{ numbers[::-1] }} {{ numbers[5:] }} {{ numbers[-9:2] }} {{ numbers[::2] }} {{ (1, 2, 3)[1:] }}",
    "{{ emoji | length }} {{ emoji[0] }} {{ emoji[::-1] | length }} {{ emoji[-1] }} {{ emoji[1:2] }}", "{{ text[99] }}|{{ numbers[99] }}|{{ d['zz'] }}|{{ d.zz }}",
    "{{ d['items'] }} {{ d.get('items') }} {{ d['ключ'] }} {{ d.b }} {{ d['b'] }}", "{{ d.items() | list | length }}", "{{ missing.a }}", "{{ missing['a'] }}", "{{ d.zz.y }}", "{{ none.a }}|",
    "{{ numbers['a'] }}|{{ x['a'] }}|{{ x.a }}|", "{{ numbers[::0] }}", "{{ numbers['a':] }}", "{{ x[1:] }}|", "{{ d[1:2] }}", "{{ range(10)[2:8:3] }} {{ range(5) }} {{ range(1, 9, 2)[1] }}",
    "{{ d[[1]] }}|", "{{ people[0].name }} {{ people[-1]['tags'][0] }} {{ people[0]['na' ~ 'me'] }}", "{{ text[:-99] }}|{{ text[99:] }}|", "{{ numbers[1.0] }}|", "{{ numbers[true] }}",
]

STRINGS = [
    "{{ ' a b '.strip() }}|{{ 'xxaxx'.strip('x') }}|{{ 'xyaz'.lstrip('xy') }}|{{ 'azyx'.rstrip('xyz') }}|{{ '\t a\n'.rstrip() }}|",
    "{{ 'a,b,,c'.split(',') }} {{ 'a,b,c'.split(',', 1) }} {{ ' a  b c '.split() }} {{ 'a b c'.split(none, 1) }} {{ ''.split() }} {{ ''.split(',') }}",
    "{{ 'a,b,c'.rsplit(',', 1) }} {{ ' a b  c '.rsplit(maxsplit=1) }} {{ '</t>a</t>b'.split('</t>')[-1] }} {{ ' a  b  c '.split(none, 1) }}",
    "{{ 'abc'.startswith('ab') }} {{ 'abc'.startswith(('x', 'a')) }} {{ 'abc'.endswith('bc') }} {{ 'abc'.startswith('b', 1) }} {{ ''.startswith('') }}",
    "{{ 'aXbX'.replace('X', 'y') }} {{ 'aXbX'.replace('X', 'y', 1) }} {{ 'ab'.replace('', '-') }}", "{{ 'straße ﬁ ŉ'.upper() }} {{ 'ÀÉ İ ΑΣ'.lower() }} {{ 'ǆ'.title() }}",
    "{{ \"they're bill's\".title() }} {{ \"they're bill's\" | title }} {{ 'hELLO wORLD'.capitalize() }} {{ 'foo-bar (baz) [q] {z} <w' | title }}", "{{ 'ab'.join(['1', '2', '3']) }} {{ ', '.join(words) }}",
    "{{ 'hello'.find('l') }} {{ 'hello'.rfind('l') }} {{ 'hello'.find('z') }} {{ 'héllo'.index('l') }} {{ 'hello'.count('l') }} {{ 'aaa'.count('aa') }} {{ 'ab'.count('') }}",
    "{{ 'hello'.index('z') }}", "{{ 'a\nb\r\nc\x0bd'.splitlines() }} {{ 'a\n'.splitlines(true) }} {{ ''.splitlines() }}", "{{ '{} {}'.format('a', 1) }} {{ '{1}-{0}'.format('a', 'b') }} {{ '{n:>5}|'.format(n=3) }} {{ '{0:.2f}'.format(2.675) }} {{ '{{}}'.format() }}",
    "{{ '{:05d} {:+} {:,} {:x} {:<4}| {:^5}| {:e}'.format(42, 3, 1234567, 255, 'a', 'b', 12345.678) }}", "{{ '%s is %d and %.2f%% %r %5s|%-5s|%05d' % ('a', 3, 1.5, 'q', 'r', 'l', 42) }} {{ '%(a)s' % {'a': 1} }} {{ '%s' % 3 }}",
    "{{ '%d' % 'a' }}", "{{ '%s %s' % 'a' }}", "{{ 'abc'.isdigit() }} {{ '12'.isdigit() }} {{ 'ab'.isalpha() }} {{ 'a1'.isalnum() }} {{ ' '.isspace() }} {{ 'AB'.isupper() }} {{ 'ab1'.islower() }} {{ ''.isdigit() }}",
    "{{ 'a-b-c'.partition('-') }} {{ 'a-b-c'.rpartition('-') }} {{ 'abc'.partition('z') }} {{ 'abc'.removeprefix('a') }} {{ 'abc'.removesuffix('bc') }}", "{{ 'a'.ljust(3) }}|{{ 'a'.rjust(3, '.') }}|", "{{ x.upper() }}", "{{ 'abc'.strip(1) }}",
    "{{ ','.join(numbers) }}", "{{ 'a'.split('') }}", "{{ ''.join([]) }}|", "{{ 'ΟΔΟΣ ΟΔΟΣ. ΣΑ'.lower() }}",
]

CONTAINERS = [
    "{{ d.keys() | list }} {{ d.values() | list }} {{ d.get('b') }} {{ d.get('q') }} {{ d.get('q', 5) }}", "{{ d.keys() }} {{ d.items() }}", "{{ numbers.index(1) }} {{ numbers.count(3) }} {{ (1, 1).count(1) }}", "{{ numbers.index(9) }}",
    "{% set _ = numbers.append(1) %}", "{{ numbers.append }}|", "{{ d.update({'a': 1}) }}", "{{ d.pop('a') }}", "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}", "{% for k in d %}{{ k }},{% endfor %}",
    "{{ dict(a=1, b=2) }} {{ dict({'x': 1}, y=2) }} {{ dict([('p', 1), ('q', 2)]) }}", "{{ dict(a=1).a }}", "{{ {'a': 1}.a }}{{ {'a': 1}['a'] }}", "{% set n = namespace(a=1, b='x') %}{{ n.a }}{{ n.b }}{{ n.c }}|{{ n['a'] }}",
    "{% set n = namespace() %}{% set n.q = [1] %}{{ n.q }}{% set n.q = n.q + [2] %}{{ n.q }}", "{% set q = {} %}{% set q.a = 1 %}", "{{ {[1]: 2} }}", "{% set n = namespace(_a=1) %}", "{{ namespace({'a': 1}).a }}",
]

TESTS = [
    "{{ x is defined }} {{ missing is defined }} {{ missing is undefined }} {{ d.q is defined }} {{ nothing is none }} {{ missing is none }}", "{{ text is string }} {{ d is mapping }} {{ numbers is sequence }} {{ text is sequence }} {{ d is sequence }} {{ x is sequence }}",
    "{{ numbers is iterable }} {{ d is iterable }} {{ x is iterable }} {{ text is iterable }} {{ missing is iterable }}", "{{ x is number }} {{ yes is number }} {{ yes is integer }} {{ x is integer }} {{ f is float }} {{ f is number }} {{ 'a' is number }}",
    "{{ yes is boolean }} {{ yes is true }} {{ 1 is true }} {{ no is false }} {{ 0 is false }} {{ none is boolean }}", "{{ x is odd }} {{ x is even }} {{ 9 is divisibleby 3 }} {{ 9 is divisibleby(2) }}",
    "{{ x is eq 7 }} {{ x is equalto 8 }} {{ x is ne(7) }} {{ x is lt 8 }} {{ x is gt 8 }} {{ x is ge 7 }} {{ x is le 6 }} {{ x is lessthan 9 }} {{ x is greaterthan 9 }}", "{{ 1 is in numbers }} {{ 'z' is in text }} {{ x is sameas x }} {{ 1 is sameas true }} {{ none is sameas none }}",
    "{{ x is not none }} {{ x is not defined }} {{ not x is none }} {{ x is defined and x is integer }}", "{{ 'abc' is lower }} {{ 'ABC' is upper }} {{ 'Abc' is lower }} {{ range is callable }} {{ x is callable }}", "{{ 'upper' is filter }} {{ 'nope' is filter }} {{ 'odd' is test }}", "{{ 'a' is odd }}", "{{ x is divisibleby 0 }}", "{{ missing is odd }}", "{{ [] is sequence }} {{ () is sequence }} {{ range(3) is sequence }} {{ (numbers | map('string')) is sequence }}",
]

FILTERS = [
    "{{ ' a ' | trim }}|{{ 'xax' | trim('x') }}|{{ numbers | length }} {{ text | count }} {{ d | length }} {{ missing | length }}", "{{ [1, 2] | join(', ') }} {{ [1, none, 'a'] | join }} {{ people | join('+', attribute='name') }} {{ 'abc' | join('-') }}",
    "{{ missing | default('q') }} {{ '' | default('q') }} {{ '' | default('q', true) }} {{ none | d('z') }} {{ missing | default }}|", "{{ numbers | first }} {{ numbers | last }} {{ text | first }} {{ empty | first }}|{{ empty | last }}|{{ d | first }}",
    "{{ 'ab' | list }} {{ d | list }} {{ range(3) | list }} {{ missing | list }}", "{{ people | map(attribute='name') | list }} {{ words | map('upper') | list }} {{ people | map(attribute='nick', default='-') | list }} {{ people | map(attribute='tags.0') | list }}",
    "{{ numbers | map('default', 3) | join }} {{ words | map('replace', 'p', 'q') | join(' ') }} {{ numbers | map('float') | list }}", "{{ range(6) | select('odd') | list }} {{ range(6) | reject('odd') | list }} {{ numbers | select('gt', 1) | list }} {{ [0, 1, ''] | select | list }}",
    "{{ people | selectattr('age', 'equalto', 31) | map(attribute='name') | list }} {{ people | rejectattr('tags') | map(attribute='name') | list }} {{ people | selectattr('nick', 'defined') | list | length }}", "{{ people | selectattr('age', '>', 5) | list | length }} {{ people | selectattr('name', 'in', ['bob']) | map(attribute='age') | first }}",
    "{{ 'aB' | upper }} {{ 'aB' | lower }} {{ 'aB cD' | title }} {{ 'aB cD' | capitalize }} {{ 3 | upper }} {{ none | upper }}", "{{ 'aXbX' | replace('X', 'y') }} {{ 'aXbX' | replace('X', 'y', 1) }} {{ 'a1' | replace(1, 2) }}",
    "{{ 'a\nb\n\nc' | indent }}|{{ 'a\nb' | indent(2, true) }}|{{ 'a\n\nb' | indent(2, blank=true) }}|{{ 'a\nb' | indent('> ') }}|{{ 'a\n' | indent(2) }}|{{ '' | indent(2, true) }}|", "{{ 3.0 | string }} {{ [1] | string }} {{ true | string }} {{ 'a' | string }}",
    "{{ '42' | int }} {{ '4.9' | int }} {{ 'x' | int }} {{ 'x' | int(7) }} {{ '0x1F' | int(base=16) }} {{ 3.9 | int }} {{ -3.9 | int }} {{ none | int }} {{ true | int }} {{ ' 5 ' | int }} {{ '1_0' | int }} {{ '-7' | int }} {{ '1e3' | int }}",
    "{{ '4.5' | float }} {{ 'x' | float }} {{ 3 | float }} {{ 'inf' | float }} {{ 'x' | float(1.5) }} {{ '1e3' | float }} {{ ' 2 ' | float }} {{ '1__0' | float }}", "{{ 42.55 | round }} {{ 42.55 | round(1) }} {{ 2.5 | round }} {{ 3.5 | round }} {{ 2.675 | round(2) }} {{ 42 | round }} {{ 1234.5 | round(-2) }} {{ 42.55 | round(1, 'floor') }} {{ 42.51 | round(0, 'ceil') }} {{ 42 | round(1, 'ceil') }} {{ -0.4 | round }} {{ 25 | round(-1) }}",
    "{{ -3 | abs }} {{ -3.5 | abs }} {{ (-3) | abs }} {{ 'a' | abs }}", "{{ numbers | sort }} {{ words | sort }} {{ words | sort(case_sensitive=true) }} {{ numbers | sort(reverse=true) }} {{ people | sort(attribute='age') | map(attribute='name') | list }} {{ people | sort(attribute='age,name', reverse=true) | map(attribute='name') | list }}",
    "{{ [1, 'a'] | sort }}", "{{ ['a', 'B', 'A', 'b'] | unique | list }} {{ ['a', 'A'] | unique(true) | list }} {{ people | unique(attribute='age') | map(attribute='name') | list }}", "{{ numbers | reverse | list }} {{ 'abc' | reverse }} {{ d | reverse | list }}",
    "{{ {'b': 1, 'A': 2, 'c': 0} | dictsort }} {{ {'b': 1, 'A': 2} | dictsort(true) }} {{ {'b': 1, 'A': 2} | dictsort(false, 'value', true) }}", "{{ {'b': 1} | items | list }} {{ missing | items | list }}", "{{ '<a href=\"x\">&\\'</a>' | escape }} {{ '<b>' | safe }} {{ '<' | e }} {{ 1 | e }}",
    "{{ '<' | safe + '<' + '>' }} {{ '<' + '>' | e }} {{ '<' | e | e | upper }} {{ '<b>' | safe | e ~ '<' }} {{ '<' | e is escaped }} {{ '<' | safe | trim + \"'\" }} {{ '<' | e | forceescape }}",
    "{{ range(7) | batch(3) | list }} {{ range(7) | batch(3, 0) | list }}", "{{ numbers | sum }} {{ people | sum(attribute='age') }} {{ [] | sum }} {{ [0.5, 1] | sum(start=2) }} {{ ['a'] | sum }}", "{{ numbers | min }} {{ numbers | max }} {{ words | min }} {{ people | max(attribute='age') | string }} {{ [] | min }}|",
    "{{ '%s-%s' | format(1, 'b') }} {{ '%(a)s' | format(a=3) }}", "{{ \"Hello brave-new world_x 3\" | wordcount }}", "{{ 'foo bar baz qux' | truncate(9) }} {{ 'foo bar baz qux' | truncate(9, true) }} {{ 'foo bar baz qux' | truncate(11) }} {{ 'foo bar baz qux' | truncate(11, false, '..', 0) }}",
    "{{ 'ab' | center(7) }}|{{ 'abc' | center(6) }}|{{ d | attr('b') }}|{{ people[0] | attr('name') }}|", "{{ x | nope }}", "{{ numbers | first | string | length }}", "{{ 'a' | length | string ~ 'b' }}", "{{ missing | upper }}|{{ missing | trim }}|{{ missing | join }}|{{ missing | string }}|", "{{ missing | int }}", "{{ numbers | join(', ') | upper | length }}",
    "{{ people | map(attribute='tags') | sum(start=[]) }}", "{{ people | selectattr('nope') | list }}", "{{ [[1, 2], [3]] | map('length') | list }} {{ [3, 4] | map('string') | join(',') }}", "{{ (numbers | map('string')) | length }}", "{{ numbers | select('odd') | first }}", "{% set g = numbers | map('string') %}{{ g | list }}{{ g | list }}", "{{ none | join }}", "{{ x | list }}",
]

JSON = [
    "{{ d | tojson }}", "{{ d | tojson(indent=2) }}", "{{ [] | tojson(indent=2) }}{{ {} | tojson(indent=2) }} {{ [[], {}] | tojson(indent=1) }}", "{{ {'a': [1, {'b': none}]} | tojson(indent=4) }}", "{{ {'b': 1, 'a': 2} | tojson(sort_keys=true) }} {{ {'b': 1} | tojson(separators=(',', ':')) }}",
    "{{ emoji | tojson }} {{ emoji | tojson(ensure_ascii=true) }} {{ '\u2028\x7f\x01<>&\\'/' | tojson }}", r"{{ 'q\"\\\n\t\r\x08\x0c' | tojson }}", "{{ 1.0 | tojson }} {{ 1e100 | tojson }} {{ true | tojson }} {{ none | tojson }} {{ (1, 'a') | tojson }} {{ 1e-7 | tojson }}",
    "{{ {1: 'a', none: 'b', true: 'c', 1.5: 'd'} | tojson }}", "{{ missing | tojson }}", "{{ {'a': missing} | tojson }}", "{{ d.keys() | tojson }}", "{{ range(3) | tojson }}", "{{ {'a': [1, 2]} | tojson(indent='--') }} {{ [1, 2] | tojson(indent=0) }}", "{{ {'a': [1]} | tojson(indent=2, separators=(' ,', ' :')) }}", "{{ people[0] | tojson | length }}", "{{ {(1, 2): 3} | tojson }}", "{{ d | tojson(false, 1) }}",
]

UNDEFINED = [
    "[{{ missing }}]", "{% if missing %}y{% else %}n{% endif %}", "{% for q in missing %}a{% else %}none{% endfor %}", "{{ missing + 1 }}", "{{ 1 + missing }}", "{{ missing < 1 }}", "{{ -missing }}", "{{ missing() }}", "{{ missing.x.y }}", "{{ 1 in missing }} {{ missing in [1] }}", "{{ 'a' in missing }}", "{{ missing in 'a' }}", "{{ missing ~ 'x' }}", "{{ [missing] }} {{ {'a': missing} }}", "{{ (missing or {}).a }}|", "{{ d.q.r is defined }}", "{{ d['q'] is defined }} {{ d.q is not none }}", "{{ missing[0:1] }}", "{{ raise_exception('no: ' ~ x) }}", "{{ raise_exception() }}", "{% for a in none %}{% endfor %}", "{% for a, b in [[1]] %}{% endfor %}", "{{ missing == missing2 }} {{ missing != 1 }} {{ missing is sequence }}",
]

SCOPES = [
    "{% set q = 1 %}{% for i in [1, 2] %}{{ q }}{% set q = q + 1 %}{{ q }}{% endfor %}{{ q }}", "{% if yes %}{% set q = 5 %}{% endif %}{{ q }}", "{% set n = namespace(v=0) %}{% for i in numbers %}{% set n.v = n.v + i %}{% endfor %}{{ n.v }}",
    "{% for i in [1] %}{% if yes %}{% set z = 9 %}{% endif %}{{ z }}{% endfor %}[{{ z }}]", "{% set a, b = 1, 2 %}{{ a }}{{ b }}{% set a, b = b, a %}{{ a }}{{ b }}", "{% set (a, b) = [3, 4] %}{{ a }}{{ b }}", "{% set q %}x{{ x }}y{% endset %}[{{ q }}]", "{% set q | upper | replace('X', 'z') %} x{{ text }}{% endset %}[{{ q }}]", "{% set q %}{% set w = 1 %}{% endset %}[{{ w }}]",
    "{% with a = 1, b = x %}{{ a }}{{ b }}{% set c = 3 %}{{ c }}{% endwith %}[{{ a }}{{ c }}]", "{% set a = 1 %}{% with a = 2, b = a %}{{ a }}{{ b }}{% endwith %}{{ a }}", "{% filter upper %}abc {{ text }}{% set u = 1 %}{% endfilter %}[{{ u }}]", "{% filter replace('a', 'b') | upper %}banana{% endfilter %}", "{% set x = 1 %}{{ x }}", "{% for x in [1] %}{{ x }}{% endfor %}{{ x }}", "{% generation %}g{{ x }}{% set gg = 1 %}{% endgeneration %}[{{ gg }}]", "{% set n = namespace(l=[]) %}{% for i in range(3) %}{% set n.l = n.l + [i * i] %}{% endfor %}{{ n.l }}", "{% print 1, 'a' %}", "{% set loop = 3 %}{{ loop }}", "{% set a, b = 1, 2, 3 %}", "{% set a = 1, 2 %}{{ a }}", "{% set range = 3 %}{{ range }}",
]

LOOPS = [
    "{% for i in numbers %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }} {% endfor %}", "{% for i in numbers %}{{ loop.previtem }}<{{ i }}>{{ loop.nextitem }} {% endfor %}", "{% for i in range(5) %}{{ loop.cycle('a', 'b') }}{% endfor %}", "{% for i in [1, 1, 2, 2, 1] %}{{ loop.changed(i) }} {% endfor %}",
    "{% for i in empty %}a{% else %}e{% endfor %}{% for i in [1] %}a{% else %}e{% endfor %}", "{% for i in range(10) if i % 2 %}{{ i }}:{{ loop.index }}/{{ loop.length }} {% endfor %}", "{% for i in range(10) if i is odd %}{% if loop.last %}last{{ i }}{% endif %}{% endfor %}", "{% for i in range(10) %}{% if i == 5 %}{% break %}{% endif %}{% if i is odd %}{% continue %}{% endif %}{{ i }}{% endfor %}",
    "{% for n in tree recursive %}{{ n.v }}@{{ loop.depth }}{% if n.c %}({{ loop(n.c) }}){% endif %}{% endfor %}", "{% for a in [1, 2] %}{% for b in [3, 4] %}{{ loop.index }}{% endfor %}{{ loop.index }} {% endfor %}", "{% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %}", "{% for c in 'héy' %}{{ c }}.{% endfor %}", "{% for i in 3 %}{% endfor %}", "{% for k, v in d | dictsort %}{{ k }} {% endfor %}", "{% for p in people if p.age > 5 %}{{ p.name }}{% if not loop.last %}, {% endif %}{% endfor %}",
    "{% set n = namespace(stop=false) %}{% for i in range(5) if not n.stop %}{{ i }}{% if i == 2 %}{% set n.stop = true %}{% endif %}{% endfor %}", "{% for i in range(3) %}{% for j in range(3) %}{% if j == 1 %}{% break %}{% endif %}{{ i }}{{ j }} {% endfor %}{% endfor %}", "{% for i in numbers | select('gt', 1) %}{{ i }}{{ loop.length }}{% endfor %}", "{% for i in [1, 2] %}{% else %}x{% endfor %}|{% for i in [1, 2] %}{% break %}{% else %}x{% endfor %}", "{{ loop }}|{% for i in [1] %}{{ loop is defined }}{% endfor %}", "{% for i in 1, 2 %}{{ i }}{% endfor %}", "{% for i in range(3, 0, -1) %}{{ i }}{% endfor %}{{ range(0) | list }}", "{{ range(1, 5, 0) }}", "{{ range(1000000) }}", "{% for m in numbers[::-1] %}{{ m }}{{ loop.index0 }} {% endfor %}", "{% for i in [1, 2, 3] %}{{ loop.nextitem is defined }}{{ loop.previtem is undefined }} {% endfor %}", "{% for i in [1, 2] %}{{ loop.depth0 }}{{ loop['index'] }}{% endfor %}",
]

MACROS = [
    "{% macro m(a, b=2, c=a) %}[{{ a }}{{ b }}{{ c }}]{% endmacro %}{{ m(1) }}{{ m(1, 3) }}{{ m(b=5, a=4) }}{{ m(1, c=9) }}", "{% macro m(a) %}{{ a is defined }}{% endmacro %}{{ m() }}{{ m(none) }}", "{% macro m() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, z=3) }}", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(b=2) }}", "{% macro f(n) %}{{ n }}{% if n > 0 %},{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(3) }}",
    "{% macro m() %}<{{ caller() }}>{% endmacro %}{% call m() %}in {{ x }}{% endcall %}", "{% macro m() %}{{ caller(1, 2) }}{% endmacro %}{% call(a, b) m() %}{{ a + b }}{% endcall %}", "{% macro m() %}x{% endmacro %}{% call m() %}y{% endcall %}", "{% macro m() %}{{ q }}{% endmacro %}{% set q = 3 %}{{ m() }}", "{% macro m() %}{% set q = 8 %}{{ q }}{% endmacro %}{{ m() }}[{{ q }}]", "{% for i in [1, 2] %}{% macro m() %}{{ i }}{% endmacro %}{{ m() }}{% endfor %}", "{% macro m(x) -%}\n  {{ x }}\n{%- endmacro %}[{{ m('a') }}]", "{% macro m() %}{% endmacro %}{{ m() | length }}{{ m is callable }}", "{{ m(1) }}{% macro m(a) %}{{ a }}{% endmacro %}", "{% macro m(a, b) %}{{ a }}{{ b }}{% endmacro %}{{ m(*[1, 2]) }}{{ m(**{'a': 3, 'b': 4}) }}{{ m(1, *[2]) }}", "{% macro m(a) %}{{ a | upper }}{% endmacro %}{{ ['x', m('y')] | join }}", "{{ strftime_now('%d %b %Y') }} {{ strftime_now('%A %B %j %H:%M:%S %p %I %y %f [%z%Z] %%') }} {{ strftime_now('%Y-%m-%d') }}", "{% macro a(l) %}{% for i in l %}{{ b(i) }}{% endfor %}{% endmacro %}{% macro b(i) %}<{{ i }}>{% endmacro %}{{ a([1, 2]) }}", "{{ range(stop=3) }}", "{{ 'a'.upper(1) }}", "{{ 'abc' | upper(1) }}", "{{ d.get() }}",
]

SYNTAX = [
    "{% if %}", "{% if yes %}", "{% endif %}", "{{ x", "{% for i in %}{% endfor %}", "{{ 1 + }}", "{{ (1 }}", "{{ 'a }}", "{# a", "{% raw %} a", "{% for i numbers %}{% endfor %}", "{{ x y }}", "{% nope %}", "{{ x | }}", "{{ x is }}", "{{ [1, }}", "{% set %}", "{% set 1 = 2 %}", "{% macro %}", "{{ a.b.c. }}", "{% break %}", "{% if yes %}{% else %}{% else %}{% endif %}", "{% for loop in numbers %}{% endfor %}", "{{ $ }}", "{{ ) }}", "{{ 007 }}", "{{ 'a' is string is true }}", "{% do x %}", "{{ f(a=1, 2) }}", "{{ {1 2} }}", "{% set true = 1 %}", "{{ x ! y }}", "{% elif %}", "{% macro m(a=1, b) %}{% endmacro %}", "{{ not }}", "{{ x[1 }}", "{{ '\\x4' }}", "{{ }}", "{% call 3 %}{% endcall %}", "{% with a %}{% endwith %}",
]

SNIPPETS = [*WHITE_SPACE, *LITERALS, *OPERATORS, *SUBSCRIPTS, *STRINGS, *CONTAINERS, *TESTS, *FILTERS, *JSON, *UNDEFINED,
            *SCOPES, *LOOPS, *MACROS, *SYNTAX]
