<?php
// A Symfony application with users in memory, around what the page says.

use Symfony\Bundle\FrameworkBundle\Kernel\MicroKernelTrait;
use Symfony\Component\DependencyInjection\Loader\Configurator\ContainerConfigurator;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\HttpKernel\Kernel as BaseKernel;
use Symfony\Component\Routing\Loader\Configurator\RoutingConfigurator;

foreach (['Bundle/FrameworkBundle', 'Bundle/SecurityBundle', 'Component/Yaml'] as $part) {
    require_once "Symfony/$part/autoload.php";
}
require __DIR__ . '/Client.php';
spl_autoload_register(function (string $class): void {
    if (str_starts_with($class, 'App\\')) {
        require __DIR__ . '/src/' . strtr(substr($class, 4), '\\', '/') . '.php';
    }
});
// Its name before Symfony 6.4.
if (!class_exists('Symfony\Component\Routing\Attribute\Route')) {
    class_alias('Symfony\Component\Routing\Annotation\Route', 'Symfony\Component\Routing\Attribute\Route');
}

final class Kernel extends BaseKernel
{
    use MicroKernelTrait;

    public function registerBundles(): iterable
    {
        yield new Symfony\Bundle\FrameworkBundle\FrameworkBundle();
        yield new Symfony\Bundle\SecurityBundle\SecurityBundle();
    }

    public function getProjectDir(): string
    {
        return __DIR__;
    }

    protected function configureContainer(ContainerConfigurator $container): void
    {
        $container->extension('framework', [
            'secret' => 'only here',
            'router' => ['utf8' => true],
            'session' => ['handler_id' => null, 'save_path' => __DIR__ . '/sessions', 'storage_factory_id' => 'session.storage.factory.native'],
        ]);
        $container->extension('security', [
            'enable_authenticator_manager' => true,
            'password_hashers' => ['Symfony\Component\Security\Core\User\InMemoryUser' => 'plaintext'],
            'providers' => ['list' => ['memory' => ['users' => ['adam' => ['password' => 'apple', 'roles' => ['ROLE_USER']]]]]],
            'firewalls' => ['main' => ['lazy' => true, 'provider' => 'list', 'json_login' => ['check_path' => '/login']]],
        ]);
        $container->import(__DIR__ . '/config/services.yaml');
    }

    protected function configureRoutes(RoutingConfigurator $routes): void
    {
        $routes->import(__DIR__ . '/src/Controller/', class_exists('Symfony\Component\Routing\Loader\AttributeClassLoader') ? 'attribute' : 'annotation');
    }
}

$kernel = new Kernel('prod', false);
$request = Request::createFromGlobals();
$response = $kernel->handle($request);
$response->send();
$kernel->terminate($request, $response);
