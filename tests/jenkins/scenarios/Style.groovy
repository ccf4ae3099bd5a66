import org.codenarc.CodeNarcRunner
import org.codenarc.analyzer.FilesystemSourceAnalyzer
import org.codenarc.results.DirectoryResults
import org.codenarc.results.FileResults
import org.codenarc.results.Results

/** Checks of the source files. */
class Style {

    static void define(Suite suite, File root) {
        List<File> library = groovy(new File(root, 'ci'))
        List<File> tests = groovy(new File(root, 'tests/jenkins'))
        suite.test('style: no Groovy file exceeds 300 lines') {
            Suite.expect((library + tests).findAll { it.readLines().size() > 300 }*.name, [])
        }
        suite.test('style: the library has no static state and no hand-written JSON') {
            List<String> lines = library*.readLines().flatten()
            Suite.expect(lines.findAll { it =~ /static (?!final)/ && !it.contains('(') }, [])
            Suite.expect(lines.findAll { it.contains('{"') || it.contains('":') }, [])
        }
        suite.test('style: each step has a help text with an example that runs') {
            for (name in ['recordDeploy', 'recordStage', 'recordStatus']) {
                String help = new File(root, "ci/vars/${name}.txt").text
                String example = help.substring(help.indexOf('<pre>') + 5, help.indexOf('</pre>'))
                Build build = suite.build()
                Suite.expect(build.run("node {\n${example}\n}"), null, build)
                Suite.check(!suite.service.records(build.run).empty, build.text)
                Suite.check(!build.text.contains('unknown argument'), build.text)
            }
        }
        suite.test('style: the scripted examples of the README run and send the records it lists') {
            List<String> examples = (new File(root, 'ci/README.md').text =~ /(?s)```groovy\n@Library\('deploylog'\) _\n\n(node .*?)```/)*.get(1)
            Suite.expect(examples.size(), 2)
            Suite.expect(suite.lines(suite.build(), examples[0])*.replaceAll(/ \d+$/, '').toSorted(), ['Migrate started', 'Migrate succeeded',
                'Switch / eu / Copy started', 'Switch / eu / Copy succeeded', 'Switch / us / Copy started', 'Switch / us / Copy succeeded',
                'Switch started', 'Switch succeeded', 'deploy deployed', 'deploy started'])
            Suite.expect(suite.lines(suite.build(), examples[1]), ['deploy started', 'deploy health_check_passed', 'deploy deployed 0',
                'deploy rolled_back'])
        }
        suite.test('style: the library makes no call that the sandbox rejects') {
            Suite.expect(Sandbox.problems(root, library), [])
        }
        suite.test('style: the sandbox check finds forbidden calls') {
            File source = File.createTempFile('Wrong', '.groovy')
            source.text = '''class Wrong {
                void wrong(Object script) {
                    System.getenv('HOME')
                    groovy.json.JsonOutput.toJson([1])
                    'ls'.execute()
                    script.currentBuild.rawBuild
                    new File('/etc/passwd')
                    script.steps.load('x')
                    error.is(error)
                }
            }'''
            Suite.expect(Sandbox.problems(root, [source])*.replaceAll(/.*: /, ''), ['System.getenv', 'JsonOutput.toJson(List)',
                'execute', '.rawBuild', 'new java.io.File', 'step load', 'is', '.error', '.error'].toSorted())
            source.delete()
        }
        suite.test('style: CodeNarc finds no violation') {
            List<String> found = ['ci', 'tests/jenkins'].collectMany { folder ->
                CodeNarcRunner runner = new CodeNarcRunner(
                    ruleSetFiles: 'file:' + new File(root, 'tests/jenkins/codenarc.groovy').path, reportWriters: [],
                    sourceAnalyzer: new FilesystemSourceAnalyzer(baseDirectory: new File(root, folder).path, includes: '**/*.groovy'))
                DirectoryResults results = runner.execute()
                Suite.check(results.totalNumberOfFiles > 10, results.totalNumberOfFiles + ' files')
                problems(results)
            }
            Suite.expect(found, [])
        }
    }

    private static List<String> problems(Results results) {
        List<String> own = results instanceof FileResults ?
            results.violations.collect { "${results.path} line ${it.lineNumber}: ${it.rule.name}: ${it.sourceLine?.trim()}".toString() } : []
        return own + results.children.collectMany { problems(it) }
    }

    private static List<File> groovy(File folder) {
        List<File> files = []
        folder.eachFileRecurse { if (it.name.endsWith('.groovy')) { files.add(it) } }
        return files.sort()
    }

}
